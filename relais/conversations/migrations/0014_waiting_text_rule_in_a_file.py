"""The rule of the waiting text is in `waiting_text.sql`, and its interval is a parameter; its index is named after it."""

from pathlib import Path

from django.db import migrations

WAITING_TEXT = (Path(__file__).resolve().parent.parent / "waiting_text.sql").read_text()
# As migration 0008 left it.
BEFORE = """
create or replace function relais_waiting_due(conversation bigint, at timestamptz)
returns boolean language plpgsql volatile as $$
declare
  last_of_a_person text;
begin
  perform 1 from conversations where id = conversation and status = 'transferred' and bot_waits_until is null;
  if not found then
    return false;
  end if;
  select event_type into last_of_a_person from conversation_events
   where conversation_id = conversation and event_type in ('agent_release', 'agent_takeover', 'agent_message')
   order by seq desc limit 1;
  if last_of_a_person in ('agent_takeover', 'agent_message') then
    return false;
  end if;
  return not exists (
      select 1 from conversation_events where conversation_id = conversation and waiting_due
       and created_at > at - interval '10 minutes');
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0013_sender_rate_limits")]
    operations = [
        migrations.RunSQL(WAITING_TEXT, reverse_sql="drop function relais_waiting_text_due"),
        migrations.RunSQL("drop function relais_waiting_due", reverse_sql=BEFORE),
        migrations.RenameIndex(
            "conversationevent", new_name="waiting_text_due", old_name="patience_asked_for"
        ),
    ]
