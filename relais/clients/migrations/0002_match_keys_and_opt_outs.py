"""Addresses are looked up by a key that is the same for all national forms of a number; opt-outs are per sender."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from relais.clients.addresses import match_key

KEY_OF_MOST = "update client_addresses set match_key = address"


def fill_match_keys(apps: Any, schema_editor: Any) -> None:
    """Few countries have numbers with two forms: of most addresses the key is the address."""
    addresses = apps.get_model("clients", "ClientAddress").objects
    schema_editor.execute(KEY_OF_MOST)
    for pk, address in addresses.values_list("pk", "address").iterator():
        if (key := match_key(address)) != address:
            addresses.filter(pk=pk).update(match_key=key)
    # A row changed twice in one transaction has its foreign keys asked at the end, and no table is altered until then.
    schema_editor.execute("set constraints all immediate")


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]
    operations = [
        migrations.AddField("clientaddress", "match_key", models.TextField(null=True)),
        migrations.RunPython(fill_match_keys, migrations.RunPython.noop),
        # No other name of a unique pair: id alone is unique. A foreign key to both needs it all the same.
        migrations.AddConstraint(
            "clientaddress", models.UniqueConstraint(fields=("id", "client"), name="address_with_its_client")
        ),
        migrations.CreateModel(
            name="OptOut",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sender", models.TextField()),
                ("opted_out_at", models.DateTimeField()),
                (
                    "address",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opt_outs",
                        to="clients.clientaddress",
                    ),
                ),
            ],
            options={
                "db_table": "client_opt_outs",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("address", "sender"), name="one_opt_out_per_address_and_sender"
                    )
                ],
            },
        ),
    ]
