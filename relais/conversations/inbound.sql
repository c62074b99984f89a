-- Ingesting a batch of messages. inbound.py runs the statements in one transaction: write, read, and update_clients only
-- when a message changes a client.
-- Columns left out take the tables' defaults: a new conversation is with the bot, in the main menu (see lifecycle.py).
-- An address is identified by its match_key, the same for all national forms of a number. A conversation belongs to a
-- client and one of our numbers, whichever of his addresses he writes from; we send to the one he wrote from last.
-- Messages that name a second address of their client were linked before (identity.py): here both are his.
-- Lock order: conversations are locked by id, as everywhere, and new rows are inserted in a stable order (client, sender),
-- so that no two transactions deadlock.
-- Two writers racing on a new address or a redelivered sid are refused by a unique index; the whole batch is then run again
-- in a new transaction ("on conflict do nothing" on the event would leave a gap in seq).
-- A message that reaches us long after it was written (occurred_at) is appended where it arrives, but opens no window that
-- has passed; and unless the bot runs here, no waiting text is due for it, which would suppress a later one.

-- name: write
with arrived as (
    select * from jsonb_to_recordset(%(rows)s::jsonb) as t(
        ord int, address text, match_key text, phone_number text, sender text, body text, sid text, profile_name text,
        metadata jsonb, occurred_at timestamptz)
),
new_messages as (
    select distinct on (sid) * from arrived
     where not exists (select 1 from conversation_events e where e.message_sid = arrived.sid)
     order by sid, ord
),
writers as (
    select distinct on (match_key) match_key, address, phone_number, profile_name from new_messages order by match_key, ord
),
known as (
    select a.id, a.client_id, a.match_key from client_addresses a join writers using (match_key)
),
newcomers as materialized (
    select nextval(pg_get_serial_sequence('clients', 'id')) as client_id, w.*
      from (select * from writers w where not exists (select 1 from known k where k.match_key = w.match_key)
             order by match_key) w
),
new_clients as (
    insert into clients (id, whatsapp_profile_name, created_at)
    select client_id, profile_name, %(at)s from newcomers order by match_key
),
new_addresses as (
    insert into client_addresses (client_id, address, match_key, phone_number, created_at)
    select client_id, address, match_key, phone_number, %(at)s from newcomers order by match_key
    returning id, client_id, match_key
),
addresses as (
    select id, client_id, match_key, false as is_new from known
    union all select id, client_id, match_key, true from new_addresses
),
placed as (
    select f.*, a.id as address_id, a.client_id, a.is_new,
           row_number() over (partition by a.client_id, f.sender order by f.ord) as nth,
           row_number() over (partition by f.match_key order by f.ord) as nth_of_address
      from new_messages f join addresses a using (match_key)
),
channels as (
    select client_id, sender, count(*)::int as n, max(coalesce(occurred_at, %(at)s)) as wrote_at,
           (array_agg(address_id order by ord desc))[1] as address_id
      from placed group by 1, 2
),
opened as (
    insert into conversations
        (address_id, client_id, sender, seq, rev, last_inbound_seq, started_at, last_activity_at, last_inbound_at,
         unanswered_since)
    select n.address_id, n.client_id, n.sender, n.n, n.n, n.n, %(at)s, %(at)s, n.wrote_at, %(at)s
      from channels n
      left join conversations c
        on c.client_id = n.client_id and c.sender = n.sender and c.status in ('active', 'transferred')
     order by c.id nulls last, n.client_id, n.sender
    on conflict (client_id, sender) where status in ('active', 'transferred') do update set
        address_id = case when conversations.last_inbound_at > excluded.last_inbound_at
                          then conversations.address_id else excluded.address_id end,
        last_activity_at = greatest(conversations.last_activity_at, excluded.last_activity_at),
        last_inbound_at = greatest(conversations.last_inbound_at, excluded.last_inbound_at),
        -- Once a person is asked for, the oldest message without an answer counts; the bot has answered those before.
        unanswered_since = case when conversations.status = 'transferred'
                                then coalesce(conversations.unanswered_since, excluded.unanswered_since)
                                else excluded.unanswered_since end,
        last_inbound_seq = conversations.seq + excluded.seq,
        seq = conversations.seq + excluded.seq,
        rev = conversations.rev + excluded.rev
    returning id, client_id, sender, seq, rev, status
)
insert into conversation_events
    (conversation_id, seq, rev, event_type, author_kind, author_name, body, message_sid, metadata, waiting_due, created_at)
select o.id, o.seq - c.n + p.nth, o.rev - c.n + p.nth, 'message_received', 'client', p.profile_name, p.body, p.sid,
       p.metadata || case when p.is_new and p.nth_of_address = 1 then '{"first_contact": true}'::jsonb else '{}'::jsonb end,
       p.nth = 1 and o.status = 'transferred' and (p.occurred_at is null or p.metadata ? 'bot_here')
           and relais_waiting_text_due(o.id, %(at)s, %(waiting_text_interval)s),
       %(at)s
  from placed p
  join opened o using (client_id, sender)
  join channels c using (client_id, sender)
 order by p.ord
returning id, message_sid

-- name: update_clients
-- The client's current profile name (blank names do not come here) and the national form of his number in use now.
with latest as (
    select distinct on (match_key) *
      from jsonb_to_recordset(%(rows)s::jsonb)
           as t(ord int, address text, match_key text, phone_number text, profile_name text, sid text)
     where sid = any(%(new_sids)s::text[])
     order by match_key, ord desc
),
named as (
    select distinct on (a.client_id) a.client_id, l.profile_name
      from latest l join client_addresses a using (match_key)
     where l.profile_name <> ''
     order by a.client_id, l.ord desc
),
respelled as (
    update client_addresses a set address = l.address, phone_number = l.phone_number
      from latest l
     where a.match_key = l.match_key and a.address <> l.address
)
update clients c set whatsapp_profile_name = n.profile_name
  from named n
 where c.id = n.client_id and c.whatsapp_profile_name <> n.profile_name

-- name: read
-- The result for each caller, for known and new messages alike: the fields of IngestedMessage.
select e.message_sid, e.id as event_id, e.body, e.waiting_due,
       e.metadata ? 'bot_here' as bot_here, e.metadata ? 'media' as has_media,
       not e.metadata ? 'first_contact' as client_existed, e.metadata ->> 'occurred_at' as occurred_at,
       c.id as conversation_id, c.session_id, c.status, c.agent_id, c.current_menu,
       a.address,
       coalesce(a.phone_number, (select min(x.phone_number) from client_addresses x where x.client_id = a.client_id), '')
           as phone_number,
       cl.client_full_name, cl.whatsapp_profile_name, cl.is_client,
       cl.id as client_id, a.opted_out_at is not null as opted_out
  from conversation_events e
  join conversations c on c.id = e.conversation_id
  join client_addresses a on a.id = c.address_id
  join clients cl on cl.id = a.client_id
 where e.message_sid = any(%(sid)s::text[])
