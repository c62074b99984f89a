"""The rule of the waiting text is in `waiting_text.sql`, and its interval is a parameter; its index is named after it.

The function of migration 0008 stays: web processes of the previous version call it until they are restarted.
"""

from pathlib import Path

from django.db import migrations

WAITING_TEXT = (Path(__file__).resolve().parent.parent / "waiting_text.sql").read_text()

class Migration(migrations.Migration):
    dependencies = [("conversations", "0013_sender_rate_limits")]
    operations = [
        migrations.RunSQL(WAITING_TEXT, reverse_sql="drop function relais_waiting_text_due(bigint, timestamptz, interval)"),
        migrations.RenameIndex(
            "conversationevent", new_name="waiting_text_due", old_name="patience_asked_for"
        ),
    ]
