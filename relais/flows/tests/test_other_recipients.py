"""Messages of a flow to somebody else than the client: sent to him or refused, and never sent to the client."""

import pytest

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.clients.models import ClientAddress
from relais.conversations import fragments
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.states import Situation
from relais.flows.tests.builders import bot_runs, flow_of, published, says, state, to
from tests.cast import IBRAHIM, OUR_NUMBER, event_types_of, messages_to_client

pytestmark = pytest.mark.django_db

SECOND_NUMBER = "whatsapp:+14155230000"
TEXT = "Fatou attend un rappel."


def tells(**properties):
    on = [to("sent", "fait"), to("failed", "raté")]
    return state("prévient", "send-message", on, **{"body": TEXT, "to": IBRAHIM, **properties})


@pytest.fixture
def flow(clock):
    def answers(**properties):
        sorry = says("raté", "Non : {{widgets.prévient.outbound.ErrorCode}}")
        return published(flow_of(tells(**properties), says("fait", "C'est transmis."), sorry), clock)

    return answers


def refused_message(conversation):
    """The refused message in the flow's own conversation: reason, text and recipient."""
    refused = conversation.deliveries.get(state="refused")
    return refused.reason, refused.event.body, refused.event.metadata.get("to")


def test_it_is_sent_to_the_other_and_recorded_in_both_histories(flow, fatou_writes, clock):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM, name="Ibrahim")
    flow()
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["C'est transmis."]
    delivery = ibrahims.deliveries.get()
    assert (delivery.event.body, delivery.event.author_kind, delivery.state) == (TEXT, "bot", "queued")
    assert delivery.event.metadata == {"from_conversation": conversation.pk}
    note = conversation.events.get(event_type="note")
    assert (note.body, note.metadata["to"], note.metadata["event"]) == (TEXT, IBRAHIM, delivery.event_id)
    assert "Le bot a écrit à +225 07 00 00 0002" in fragments.event(note)
    assert delivery.claim(by="t", at=clock.now), "it leaves, and where to is its conversation's"


@pytest.mark.parametrize("written", ["+225 07 00 00 00 02", "002250700000002", "WhatsApp: 2250700000002"])
def test_the_recipient_may_be_written_in_any_notation(flow, fatou_writes, clock, written):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM)
    flow(to=written)
    bot_runs(fatou_writes("rappelez-moi"), clock)
    assert messages_to_client(ibrahims) == [TEXT]


def test_an_ended_conversation_is_reopened(flow, fatou_writes, clock, mariam):
    old = fatou_writes("bonjour", address=IBRAHIM)
    old.close(mariam, at=clock.now)
    flow()
    bot_runs(fatou_writes("rappelez-moi"), clock)
    new = Conversation.objects.open().get(address=old.address)
    assert (new.situation, messages_to_client(new), messages_to_client(old)) == (Situation.BOT, [TEXT], [])


def test_the_window_of_the_recipient_counts(flow, fatou_writes, clock):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM)
    clock.passes(hours=25)
    flow()
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert messages_to_client(ibrahims) == []
    assert refused_message(conversation) == ("window_closed", TEXT, IBRAHIM)
    assert messages_to_client(conversation)[-1] == "Non : window_closed"
    assert "note" not in event_types_of(conversation)


def test_the_opt_out_of_the_recipient_counts(flow, fatou_writes, clock):
    fatou_writes("bonjour", address=IBRAHIM)
    ClientAddress.objects.filter(address=IBRAHIM).update(opted_out_at=clock.now)
    flow()
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert refused_message(conversation)[0] == "opted_out"


def test_a_recipient_held_by_an_agent_gets_no_message(flow, fatou_writes, clock, awa):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM)
    ibrahims.take_over(awa, at=clock.now)
    before = messages_to_client(ibrahims)
    flow()
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert (refused_message(conversation)[0], messages_to_client(ibrahims)) == ("held_by_agent", before)


def test_a_take_over_of_the_recipient_withholds_the_message(flow, fatou_writes, clock, awa):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM)
    flow()
    bot_runs(fatou_writes("rappelez-moi"), clock)
    ibrahims.take_over(awa, at=clock.now)
    first = ibrahims.deliveries.order_by("id").first()
    assert not first.claim(by="t", at=clock.now)
    first.refresh_from_db()
    assert (first.state, first.reason) == ("refused", "taken_over")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, "unknown_recipient"),
        ({"to": "le chef d'atelier"}, "bad_address"),
        ({"to": "messenger:123"}, "bad_address"),
        ({"to": "{{contact.channel.address}}", "from": SECOND_NUMBER}, "not_our_number"),
        ({"to": "{{contact.channel.address}}", "from": "MG" + "1" * 32}, "not_our_number"),
    ],
)
def test_an_unknown_recipient_is_refused_with_the_reason(flow, fatou_writes, clock, properties, reason):
    flow(**properties)
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert refused_message(conversation)[:2] == (reason, TEXT)
    assert messages_to_client(conversation)[-1] == f"Non : {reason}"
    assert Conversation.objects.count() == 1
    [leaving] = MessageDelivery.objects.filter(state="queued")
    assert leaving.event.body == f"Non : {reason}"


def test_another_number_of_ours_has_its_own_conversation(flow, fatou_writes, clock):
    there = fatou_writes("bonjour", sender=SECOND_NUMBER)
    flow(to="{{contact.channel.address}}", **{"from": SECOND_NUMBER})
    conversation = fatou_writes("rappelez-moi")
    assert conversation.sender == OUR_NUMBER and there.pk != conversation.pk
    bot_runs(conversation, clock)
    assert messages_to_client(there) == [TEXT]
    assert messages_to_client(conversation) == ["C'est transmis."]
    note = conversation.events.get(event_type="note")
    assert note.metadata["from"] == SECOND_NUMBER
    assert "depuis le +1 415-523-0000" in fragments.event(note)


TEMPLATE = {"message_type": "content_template", "content_sid": "HX" + "1" * 32}


def test_a_template_may_be_the_first_message_to_an_address(flow, fatou_writes, clock):
    flow(**TEMPLATE)
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    [new] = Conversation.objects.exclude(pk=conversation.pk)
    assert (new.address.address, new.address.phone_number, new.sender) == (
        IBRAHIM,
        "+2250700000002",
        OUR_NUMBER,
    )
    assert new.deliveries.get().event.metadata["content_sid"] == TEMPLATE["content_sid"]
    assert messages_to_client(conversation) == ["C'est transmis."]
    next_conversation = fatou_writes("bonjour", address=IBRAHIM)
    assert next_conversation.pk == new.pk, "what he then writes comes to the same conversation"


def test_a_refused_message_cannot_be_resent_to_the_client(flow, fatou_writes, clock, awa: User):
    flow()
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    conversation.take_over(awa, at=clock.now)
    event = conversation.deliveries.get(reason="unknown_recipient").event
    shown = fragments.event(event)
    assert "Pour +225 07 00 00 0002, et non pour ce client" in shown
    assert "Renvoyer" not in shown and "n'a jamais écrit à ce numéro" in shown.replace("&#x27;", "'")
    with pytest.raises(NotAllowed):
        conversation.resend(event, agent=awa, at=clock.now)


def test_a_repeated_job_sends_it_once(flow, fatou_writes, clock):
    ibrahims = fatou_writes("bonjour", address=IBRAHIM)
    flow()
    conversation = fatou_writes("rappelez-moi")
    for _again in range(3):
        bot_runs(conversation, clock)
    assert messages_to_client(ibrahims) == [TEXT]
    assert event_types_of(conversation).count("note") == 1


def test_a_question_for_somebody_else_is_not_sent(fatou_writes, clock):
    fatou_writes("bonjour", address=IBRAHIM)
    on = [to("incomingMessage"), to("timeout"), to("deliveryFailure", "raté")]
    question = state("demande", "send-and-wait-for-reply", on, body=TEXT, to=IBRAHIM, timeout="60")
    published(flow_of(question, says("raté", "Pas demandé.")), clock)
    conversation = fatou_writes("rappelez-moi")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["Pas demandé."]
    assert not MessageDelivery.objects.filter(event__body=TEXT).exists()
    assert IBRAHIM in conversation.events.get(event_type="error").body


def test_a_refused_message_to_the_client_is_stored_with_its_reason(fatou_writes, clock):
    """After a wait of over 24 hours the next message is refused, and the history has it with the reason."""
    from relais.flows.tests.builders import asks, twilio_takes_all

    published(
        flow_of(asks("nom", "Votre nom ?", timeout="fin", seconds="90000"), says("fin", "Au revoir.")), clock
    )
    conversation = fatou_writes("mercedes")
    bot_runs(conversation, clock)
    twilio_takes_all(clock)
    clock.passes(hours=25, seconds=1)
    bot_runs(conversation, clock)
    refused = conversation.deliveries.order_by("id").last()
    assert (refused.state, refused.reason, refused.event.body) == ("refused", "window_closed", "Au revoir.")
    assert conversation.executions.get().end_reason == "completed"
