"""Indexes for parts of names in scripts such as Arabic.

In a database with the locale C, pg_trgm takes only ASCII for letters, and a name without any has no trigrams. The bytes
of such a name as hexadecimal digits have.
"""

from django.db import migrations

# Qualified: pg_dump restores indexes with an empty search_path. Null where the name has trigrams of its own.
FUNCTION = r"""
create function public.relais_plain_hex(text) returns text language sql immutable parallel safe strict as
  $$ select case when public.relais_plain($1) ~ '[^\x01-\x7f]'
                 then encode(convert_to(public.relais_plain($1), 'UTF8'), 'hex') end $$
"""
INDEXES = {"clients_hex_name": "client_full_name", "clients_hex_profile": "whatsapp_profile_name"}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0003_client_imports")]
    operations = [
        migrations.RunSQL("drop function if exists public.relais_plain_hex(text) cascade", migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTION, "drop function public.relais_plain_hex(text)"),
        *(
            operation
            for name, column in INDEXES.items()
            for operation in (
                # An interrupted run leaves an index of that name, complete or invalid.
                migrations.RunSQL(f"drop index concurrently if exists {name}", migrations.RunSQL.noop),
                migrations.RunSQL(
                    f"create index concurrently {name} on clients using gin "
                    f"(public.relais_plain_hex({column}) public.gin_trgm_ops)",
                    f"drop index concurrently if exists {name}",
                ),
            )
        ),
        migrations.RunSQL("analyze clients", migrations.RunSQL.noop),
    ]
