"""The tags of clients without accents and case, and an index of them: the search filters by tag."""

from django.db import migrations

# Qualified: pg_dump restores indexes with an empty search_path.
FUNCTION = """
create function public.relais_tag_keys(text[]) returns text[] language sql immutable parallel safe strict as
  $$ select coalesce(array_agg(public.relais_plain(tag)), '{}') from unnest($1) tag $$
"""
DROP = "drop index concurrently if exists clients_tag_keys"
CREATE = """
create index concurrently clients_tag_keys on clients using gin (public.relais_tag_keys(tags)) with (fastupdate = off)
 where tags <> '{}'
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("crm", "0001_search_by_email_and_vin"),
        ("clients", "0005_people_edit_clients"),
    ]
    operations = [
        migrations.RunSQL("drop function if exists public.relais_tag_keys(text[]) cascade", migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTION, "drop function public.relais_tag_keys(text[])"),
        # An interrupted run leaves an index of that name, complete or invalid.
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL("analyze clients", migrations.RunSQL.noop),
    ]
