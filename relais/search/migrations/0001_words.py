"""The functions that fold texts and extract their words, in `words.sql`, and the extensions that the indexes need."""

from pathlib import Path
from typing import Any

from django.db import migrations

from relais.search.extensions import create_missing_extensions

WORDS = (Path(__file__).resolve().parent.parent / "words.sql").read_text()
UNDO = """
drop function public.relais_words(text), public.relais_fold(text);
drop text search configuration public.relais;
drop text search dictionary public.relais_french, public.relais_arabic;
"""


def create_extensions(apps: Any, schema_editor: Any) -> None:
    create_missing_extensions(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0004_names_that_show_nothing"),
        ("conversations", "0014_waiting_text_rule_in_a_file"),
        ("crm", "0001_search_by_email_and_vin"),
    ]
    operations = [
        migrations.RunPython(create_extensions, migrations.RunPython.noop),
        migrations.RunSQL(WORDS, UNDO),
    ]
