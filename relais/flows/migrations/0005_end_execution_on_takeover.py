"""The trigger that ends the bot's execution at a take-over, and its function, are named after what they do."""

from django.db import migrations

RENAME = """
alter trigger hands_off on conversations rename to end_execution_on_takeover;
alter function relais_hands_off() rename to relais_end_execution_on_takeover;
"""
REVERSE = """
alter trigger end_execution_on_takeover on conversations rename to hands_off;
alter function relais_end_execution_on_takeover() rename to relais_hands_off;
"""


class Migration(migrations.Migration):
    dependencies = [("flows", "0004_executions_stay_on_their_subflows")]
    operations = [migrations.RunSQL(RENAME, reverse_sql=REVERSE)]
