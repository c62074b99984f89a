"""What the models cannot say: events never change, every change is told, names are found without accents."""

from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations

APPEND_ONLY = """
create function relais_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'conversation_events is append-only';
end $$;
create trigger conversation_events_append_only before update or delete on conversation_events
  for each row execute function relais_append_only();
"""

# A hint, once per statement: NOTIFY serialises commits, and a payload has room for 8,000 bytes.
CONVERSATIONS_CHANGED = """
create function relais_conversations_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('conversations', (
    select case when count(*) > 400 then '*' else string_agg(distinct id::text, ',') end from changed
    having count(*) > 0));
  return null;
end $$;
create trigger conversations_updated after update on conversations
  referencing new table as changed for each statement execute function relais_conversations_changed();
create trigger conversations_opened after insert on conversations
  referencing new table as changed for each statement execute function relais_conversations_changed();
"""

OUTBOX_FILLED = """
create function relais_outbox_filled() returns trigger language plpgsql as $$
begin
  if exists (select 1 from changed where state = 'queued') then
    perform pg_notify('outbox', '');
  end if;
  return null;
end $$;
create trigger outbox_filled after insert on message_deliveries
  referencing new table as changed for each statement execute function relais_outbox_filled();
"""

# Volatile on purpose: called once the conversation's row is locked, its queries see what was committed meanwhile,
# which the statement around it would not. A run begins when the bot or the queue got the conversation.
WAITING_DUE = """
create function relais_waiting_due(conversation bigint, at timestamptz) returns boolean language plpgsql volatile as $$
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

# unaccent() is only stable, because its dictionary could be changed; an index wants a promise.
PLAIN = """
create function relais_plain(text) returns text language sql immutable parallel safe strict as
  $$ select lower(public.unaccent('public.unaccent', $1)) $$;
create index clients_plain_name on clients using gin (relais_plain(client_full_name) gin_trgm_ops);
create index clients_plain_profile on clients using gin (relais_plain(whatsapp_profile_name) gin_trgm_ops);
create index client_addresses_trigrams on client_addresses using gin (address gin_trgm_ops);
"""

UNDO = """
drop trigger conversation_events_append_only on conversation_events;
drop trigger conversations_updated on conversations;
drop trigger conversations_opened on conversations;
drop trigger outbox_filled on message_deliveries;
drop index clients_plain_name, clients_plain_profile, client_addresses_trigrams;
drop function relais_append_only, relais_conversations_changed, relais_outbox_filled, relais_waiting_due, relais_plain;
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial"), ("clients", "0001_initial")]
    operations = [
        TrigramExtension(),
        UnaccentExtension(),
        migrations.RunSQL(
            APPEND_ONLY + CONVERSATIONS_CHANGED + OUTBOX_FILLED + WAITING_DUE + PLAIN, reverse_sql=UNDO
        ),
    ]
