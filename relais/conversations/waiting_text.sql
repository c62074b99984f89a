-- The rule of the waiting text: whether the client, who has just written, is to be told that an agent will come.
-- True when the conversation waits or is held, no flow of ours waits for an answer, no person has taken over or written
-- since the bot or the queue last got the conversation, and no event of the last `at_most_every` has it true.
-- `ingest` calls it in the insert of the message (inbound.sql) and stores the result in conversation_events.waiting_due.
-- Installed by a migration that reads this file: whoever changes it adds a migration that runs it again, and whoever
-- changes its parameters drops the old function there by its full signature.
-- Volatile on purpose: called once the conversation's row is locked, its queries see what was committed meanwhile,
-- which the statement around it would not.
create or replace function relais_waiting_text_due(conversation bigint, at timestamptz, at_most_every interval)
returns boolean language plpgsql volatile as $$
declare
  last_event_by_person text;
begin
  perform 1 from conversations where id = conversation and status = 'transferred' and bot_waits_until is null;
  if not found then
    return false;
  end if;
  -- Read from the end of the history, by the index on (conversation, seq).
  select event_type into last_event_by_person from conversation_events
   where conversation_id = conversation and event_type in ('agent_release', 'agent_takeover', 'agent_message')
   order by seq desc limit 1;
  if last_event_by_person in ('agent_takeover', 'agent_message') then
    return false;
  end if;
  return not exists (
      select 1 from conversation_events where conversation_id = conversation and waiting_due
       and created_at > at - at_most_every);
end $$;
