"""The index of the words of internal notes."""

from django.db import migrations

DROP = "drop index concurrently if exists notes_words"
CREATE = """
create index concurrently notes_words on notes using gin (public.relais_words(body)) with (fastupdate = off)
 where body <> ''
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("search", "0002_indexes"), ("notes", "0001_internal_notes")]
    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL("analyze notes", migrations.RunSQL.noop),
    ]
