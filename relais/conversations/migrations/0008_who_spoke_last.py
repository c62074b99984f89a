"""Whether to ask for patience is read from the end of the history, and not from all of it for each message."""

from django.db import migrations, models
from django.db.models import Q

from relais.conversations.index_anew import AddIndexAnew

# Volatile on purpose: called once the conversation's row is locked, its queries see what was committed meanwhile,
# which the statement around it would not. A run begins when the bot or the queue got the conversation.
WAITING_DUE = """
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
AS_BEFORE = """
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
    atomic = False
    dependencies = [("conversations", "0007_under_way_by_conversation")]
    operations = [
        AddIndexAnew(
            "conversationevent",
            models.Index(fields=["conversation"], condition=Q(waiting_due=True), name="patience_asked_for"),
        ),
        migrations.RunSQL(WAITING_DUE, reverse_sql=AS_BEFORE),
    ]
