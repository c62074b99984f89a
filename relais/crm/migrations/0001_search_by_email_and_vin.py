"""Trigram indexes for parts of e-mail addresses and VINs."""

from django.db import migrations

INDEXES = {
    "clients_email_trigrams": "upper(email) gin_trgm_ops)",
    "clients_vin_trigrams": "upper(vin) gin_trgm_ops)",
}


class Migration(migrations.Migration):
    atomic = False
    initial = True
    dependencies = [("clients", "0004_names_that_show_nothing"), ("conversations", "0014_waiting_text_rule_in_a_file")]
    operations = [
        operation
        for name, definition in INDEXES.items()
        for operation in (
            # An interrupted run leaves an index of that name, complete or invalid.
            migrations.RunSQL(f"drop index if exists {name}", migrations.RunSQL.noop),
            migrations.RunSQL(f"create index concurrently {name} on clients using gin ({definition}", f"drop index {name}"),
        )
    ]
