"""Invariants that no database constraint enforces: each query selects the violations and must return no row."""

INVARIANTS = {
    "seq has no gap, and rev goes with it": """
        select conversation_id from (
          select conversation_id, seq, rev, lag(rev, 1, 0::bigint) over w as before, row_number() over w as nth
            from conversation_events window w as (partition by conversation_id order by seq)) e
         where seq <> nth or rev <= before""",
    "the conversation knows its last seq, and a rev no smaller than any": """
        select c.id from conversations c
         where seq <> (select max(seq) from conversation_events e where e.conversation_id = c.id)
            or rev < (select max(rev) from conversation_events e where e.conversation_id = c.id)
            or rev < (select max(rev) from message_deliveries d where d.conversation_id = c.id)
            or rev <> (select max(rev) from (
                 select rev from conversation_events e where e.conversation_id = c.id
                 union all select rev from message_deliveries d where d.conversation_id = c.id
                 union all select m.rev from media m join conversation_events e on e.id = m.event_id
                            where e.conversation_id = c.id) r)""",
    "the last inbound message is recorded": """
        select c.id from conversations c
          join lateral (select seq, created_at from conversation_events e
                         where e.conversation_id = c.id and event_type = 'message_received'
                         order by seq desc limit 1) e on true
         where c.last_inbound_seq <> e.seq or c.last_inbound_at <> e.created_at or c.read_seq > c.last_inbound_seq""",
    "the last activity is the last event, the start the first": """
        select c.id from conversations c
         where last_activity_at <> (select max(created_at) from conversation_events e where e.conversation_id = c.id)
            or started_at <> (select min(created_at) from conversation_events e where e.conversation_id = c.id)""",
    "time goes forward": """
        select conversation_id from (
          select conversation_id, created_at, lag(created_at) over (partition by conversation_id order by seq) as before
            from conversation_events) e where created_at < before or created_at > now()""",
    "an ended conversation took as long as it says": """
        select id from conversations where status not in ('active', 'transferred')
           and (duration_seconds is null or abs(extract(epoch from ended_at - started_at) - duration_seconds) > 1)""",
    "a held conversation has a holder and a takeover, a waiting one neither": """
        select c.id from conversations c where status = 'transferred' and (transferred_at is null
            or (agent_id is null) = exists (select 1 from conversation_events e where e.conversation_id = c.id
                                                and event_type = 'agent_takeover'))""",
    "an open conversation has an inbound message within a day": """
        select id from conversations where status in ('active', 'transferred')
           and last_inbound_at < now() - interval '24 hours'""",
    "conversations of one channel do not overlap": """
        select id from (
          select id, started_at, lag(coalesce(ended_at, 'infinity')) over (partition by address_id, sender order by started_at) as before
            from conversations) c where started_at < before""",
    "every outgoing message has a delivery of the same conversation": """
        select e.id from conversation_events e left join message_deliveries d on d.event_id = e.id
         where (event_type in ('message_sent', 'agent_message')) <> (d.id is not null)
            or d.conversation_id <> e.conversation_id or d.rev < e.rev""",
    "an accepted message has a sid and a time": """
        select id from message_deliveries where (state in ('sent', 'delivered', 'read')) > (sid is not null and sent_at is not null)
            or (state = 'refused') <> (reason <> '') or (state = 'failed') <> (failed_at is not null)""",
    "the menu path is the menus that were chosen": """
        select c.id from conversations c
         where menu_path <> coalesce((select array_agg(metadata->>'menu_choice' order by seq) from conversation_events e
                                       where e.conversation_id = c.id and event_type = 'menu_choice'), '{}')""",
}
