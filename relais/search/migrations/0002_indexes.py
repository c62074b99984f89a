"""The indexes of the search, created beside the running work (concurrently); an interrupted run can be repeated.

The first column is the slice of 16,384 ids: the newest slices are searched first. `fastupdate` is off: with it, one
insert in ten thousand waits a second for the pending list.
"""

from django.db import migrations

INDEXES = {
    "conversation_events_words": "conversation_events using gin "
    "(((id >> 14)::integer), public.relais_words(body)) with (fastupdate = off) where body <> ''",
    "media_filename_words": "media using gin "
    "(((event_id >> 14)::integer), public.relais_words(filename)) with (fastupdate = off) where filename <> ''",
    # Trigrams find parts of a name, but have no Arabic letters where the locale of the database is C.
    "clients_name_words": "clients using gin "
    "(public.relais_words(client_full_name || ' ' || whatsapp_profile_name)) with (fastupdate = off)",
    "clients_plain_vip_card": "clients using gin "
    "(translate(lower(carte_vip), ' -.', '') gin_trgm_ops) where carte_vip <> ''",
}
TABLES = ("conversation_events", "media", "clients")


def _create(name: str, definition: str) -> list[migrations.RunSQL]:
    drop = f"drop index concurrently if exists {name}"
    return [
        migrations.RunSQL(drop, migrations.RunSQL.noop),
        migrations.RunSQL(f"create index concurrently {name} on {definition}", drop),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("search", "0001_words")]
    operations = [
        *(operation for name, definition in INDEXES.items() for operation in _create(name, definition)),
        # Expressions have no statistics before: the planner would guess the same number of rows for any word.
        *(migrations.RunSQL(f"analyze {table}", migrations.RunSQL.noop) for table in TABLES),
    ]
