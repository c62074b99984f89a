-- What a database does with one message per transaction when nothing stands before it: pgbench runs this on tables
-- of the same shape. \gset needs one statement that returns one row.
\set address random(1, :clients)
begin;
insert into bench.conversations (address_id, client_id, sender, seq, rev, last_inbound_seq, started_at, last_activity_at, last_inbound_at)
values (:address, :address, 'whatsapp:+212522000000', 1, 1, 1, now(), now(), now())
on conflict (client_id, sender) where status in ('active', 'transferred') do update set
    last_activity_at = greatest(conversations.last_activity_at, excluded.last_activity_at),
    last_inbound_at = greatest(conversations.last_inbound_at, excluded.last_inbound_at),
    last_inbound_seq = conversations.seq + excluded.seq,
    seq = conversations.seq + excluded.seq,
    rev = conversations.rev + excluded.rev
returning id, seq, rev \gset
insert into bench.conversation_events
    (conversation_id, seq, rev, event_type, author_kind, author_name, body, message_sid, metadata, waiting_due, created_at)
values (:id, :seq, :rev, 'message_received', 'client', 'Fatou', 'Bonjour je voudrais un rendez-vous samedi matin merci',
        'SM' || replace(gen_random_uuid()::text, '-', ''), :metadata::jsonb, false, now());
select pg_notify('conversations', :id::text);
commit;
