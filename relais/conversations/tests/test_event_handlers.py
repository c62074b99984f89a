"""The handlers of events: registered when the app is ready, and run by the append in its transaction."""

import pytest

from relais.conversations import events
from relais.conversations.event_types import EventType
from relais.conversations.events import BOT


def test_the_handlers_of_each_event_type_are_registered_in_order():
    names = {kind: [handler.__name__ for handler in handlers] for kind, handlers in events._handlers.items()}
    assert names == {
        "agent_takeover": ["send_take_over_text", "end_twilio_executions"],
        "agent_release": ["end_twilio_executions", "on_release"],
        "agent_transfer": ["end_twilio_executions", "on_transfer"],
        "agent_message": ["forget_snooze"],
        "conversation_closed": ["send_close_text", "end_twilio_executions"],
        "message_received": ["send_waiting_text", "fetch_media"],
        "scheduled_withheld": ["on_scheduled_withheld"],
    }


@pytest.mark.django_db
def test_a_handler_that_fails_undoes_its_event(with_bot, clock, monkeypatch):
    def failing(event, at):
        raise ZeroDivisionError

    monkeypatch.setitem(events._handlers, EventType.NOTE, [failing])
    before = (with_bot.seq, with_bot.rev)
    with pytest.raises(ZeroDivisionError):
        with_bot.append_event("note", by=BOT, at=clock.now)
    with_bot.refresh_from_db()
    assert (with_bot.seq, with_bot.rev) == before
    assert not with_bot.events.filter(event_type="note").exists()
