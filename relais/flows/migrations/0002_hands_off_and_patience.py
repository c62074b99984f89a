"""Whoever takes a conversation's epoch on ends the bot's execution in it; a flow that waits needs no waiting text."""

from django.db import migrations

# In the database, so that no way of taking a conversation over can forget it. The conversation's row is locked first,
# here as in the runner.
HANDS_OFF = """
create function relais_hands_off() returns trigger language plpgsql as $$
begin
  update flow_executions set ended_at = now(), end_reason = 'taken_over', awaits_reply = false, due_at = null, pending = null
   where conversation_id = new.id and ended_at is null;
  new.bot_waits_until := null;
  return new;
end $$;
create trigger hands_off before update of epoch, status on conversations for each row
  when (old.epoch <> new.epoch or (new.status not in ('active', 'transferred') and old.status <> new.status))
  execute function relais_hands_off();
"""

WAITING_DUE = """
create or replace function relais_waiting_due(conversation bigint, at timestamptz)
returns boolean language plpgsql volatile as $$
declare
  since integer;
begin
  perform 1 from conversations where id = conversation and status = 'transferred' and bot_waits_until is null;
  if not found then
    return false;
  end if;
  select coalesce(max(seq), 0) into since from conversation_events
   where conversation_id = conversation and event_type = 'agent_release';
  return not exists (
      select 1 from conversation_events where conversation_id = conversation and seq > since
       and event_type in ('agent_takeover', 'agent_message'))
    and not exists (
      select 1 from conversation_events where conversation_id = conversation and waiting_due
       and created_at > at - interval '10 minutes');
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("flows", "0001_flows_revisions_executions"),
        ("conversations", "0004_bot_waits_until"),
    ]
    operations = [
        migrations.RunSQL(
            HANDS_OFF + WAITING_DUE,
            reverse_sql="drop trigger hands_off on conversations; drop function relais_hands_off",
        ),
    ]
