"""Several addresses of one person: the same conversation, window and holder, whichever he writes from."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from relais.clients.models import Client, ClientAddress
from relais.conversations.errors import CannotSend
from relais.conversations.event_text import event_sentence
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation, ConversationEvent
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, event_types_of, messages_to_client, new_sid

USER_ID = "whatsapp:FI.9xYabc"
OTHER_NUMBER = "whatsapp:+14155238887"
TIMEOUT_SECONDS = 30


def message(body="Bonjour", *, address=FATOU, sender=OUR_NUMBER, name="Fatou", **fields):
    return InboundMessage(
        sid=new_sid(), address=address, sender=sender, body=body, profile_name=name, **fields
    )


def ingest_all(*messages, at):
    answers = ingest(messages, at=at)
    return [answers[each.sid] for each in messages]


# -- a client with another address ------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("named_by", ["the number's message", "the id's message"])
def test_a_held_conversation_goes_on_when_the_client_hides_his_number(
    held_by_awa, fatou_writes, awa, clock, named_by
):
    if named_by == "the number's message":
        fatou_writes("encore moi", other_address=USER_ID)
        current = fatou_writes("me voici", address=USER_ID)
    else:
        current = fatou_writes("me voici", address=USER_ID, other_address=FATOU)
    assert (current.pk, current.agent) == (held_by_awa.pk, awa)
    assert (Client.objects.count(), Conversation.objects.count()) == (1, 1)
    assert [event.body for event in current.history() if event.body][-1] == "me voici"
    assert set(current.client.addresses.values_list("address", flat=True)) == {FATOU, USER_ID}


@pytest.mark.django_db
def test_messages_are_sent_to_the_address_the_client_wrote_from_last(held_by_awa, fatou_writes, awa, clock):
    fatou_writes("encore moi", other_address=USER_ID)
    for address in (USER_ID, FATOU):
        fatou_writes("c'est moi", address=address)
        delivery = Conversation.objects.get().send_as_agent(
            "Je regarde.", agent=awa, at=clock.passes(seconds=5)
        )
        Conversation.objects.get().deliveries.exclude(pk=delivery.pk).update(state="sent")
        assert delivery.claim(by="here", at=clock.passes(seconds=1))
        assert delivery.sent_to == address
    fatou_writes("de là-bas", address=USER_ID)
    delivery.refresh_from_db()
    assert delivery.recipient == FATOU, "the recipient of a claimed message does not change"


@pytest.mark.django_db
def test_an_old_message_that_arrives_late_does_not_change_the_address(with_bot, fatou_writes, clock):
    clock.passes(hours=1)
    fatou_writes("me voici", address=USER_ID, other_address=FATOU)
    late = fatou_writes("plus tôt", occurred_at=clock.now - timedelta(minutes=30))
    assert late.address.address == USER_ID


@pytest.mark.django_db
def test_the_window_counts_the_last_message_of_any_address(held_by_awa, fatou_writes, awa, clock):
    clock.passes(hours=23)
    fatou_writes("toujours là", address=USER_ID, other_address=FATOU)
    closes = Conversation.objects.get().window_closes_at()
    assert closes == clock.now + timedelta(hours=24)
    clock.passes(hours=2)
    Conversation.objects.get().send_as_agent("Oui.", agent=awa, at=clock.now)


@pytest.mark.django_db
def test_the_window_of_an_ended_conversation_counts_under_every_address(ended, fatou_writes, clock):
    current = fatou_writes("re", address=USER_ID, other_address=FATOU)
    assert current.pk != ended.pk
    assert current.client_id == ended.client_id
    assert ended.window_closes_at() == current.window_closes_at()


@pytest.mark.django_db
def test_the_client_is_new_with_his_first_message_only(clock):
    before, first, again = ingest_all(
        message(address=IBRAHIM),
        message(other_address=USER_ID),
        message(address=USER_ID, other_address=FATOU),
        at=clock.now,
    )
    assert [each.client_existed for each in (before, first, again)] == [False, False, True]
    assert first.conversation_id == again.conversation_id
    assert again.phone_number == FATOU.removeprefix("whatsapp:"), "the number of the person, though hidden"


@pytest.mark.django_db
def test_in_one_batch_any_message_may_link_the_addresses(clock):
    answers = ingest_all(
        message("un"), message("deux", other_address=USER_ID), message("trois", address=USER_ID), at=clock.now
    )
    assert len({each.conversation_id for each in answers}) == 1
    conversation = Conversation.objects.get()
    assert [event.body for event in conversation.history()] == ["un", "deux", "trois"]
    assert [event.seq for event in conversation.history()] == [1, 2, 3]
    assert [each.client_existed for each in answers] == [False, True, True]


@pytest.mark.django_db
def test_known_links_cost_one_query_a_batch(clock):
    ingest([message(other_address=USER_ID)], at=clock.now)
    batch = [message(str(n), other_address=USER_ID) for n in range(20)]
    with CaptureQueriesContext(connection) as without_links:
        ingest([message()], at=clock.now)
    with CaptureQueriesContext(connection) as with_links:
        ingest(batch, at=clock.now)
    assert len(with_links) == len(without_links) + 1


# -- merging two clients --------------------------------------------------------------------------


@pytest.fixture
def two_clients(held_by_awa, fatou_writes, clock):
    """The number's conversation is held, the id's waits: that both are Fatou is not known."""
    from relais.conversations.events import BOT

    clock.passes(minutes=5)
    waiting = fatou_writes("allô ?", address=USER_ID, name="F.")
    waiting.ask_for_agent(by=BOT, at=clock.passes(seconds=5))
    Client.objects.filter(addresses__address=USER_ID).update(
        email="fatou@example.com", vin="W1K2", attributes={"ville": "Rabat", "couleur": "bleu"}
    )
    Client.objects.filter(addresses__address=FATOU).update(vin="W1K1", attributes={"ville": "Fès"})
    return held_by_awa, waiting


@pytest.mark.django_db
def test_the_held_one_of_two_conversations_goes_on(two_clients, fatou_writes, awa, clock):
    held, waiting = two_clients
    current = fatou_writes("c'est toujours moi", address=USER_ID, other_address=FATOU)
    waiting.refresh_from_db()
    assert (current.pk, current.agent, current.epoch) == (held.pk, awa, held.epoch)
    assert (waiting.status, waiting.is_open) == ("completed", False)
    assert event_types_of(waiting)[-1] == "conversation_closed"
    assert messages_to_client(waiting) == [], "nothing is sent to the client"
    last = waiting.events.last()
    assert str(held.pk) in event_sentence(last)
    assert str(waiting.pk) in event_sentence(current.events.get(event_type="note"))
    assert Client.objects.count() == 1
    assert waiting.client_id == current.client_id


@pytest.mark.django_db
def test_nothing_known_of_either_is_lost(two_clients, fatou_writes):
    fatou_writes("c'est toujours moi", address=USER_ID, other_address=FATOU)
    client = Client.objects.get()
    assert (client.email, client.vin) == ("fatou@example.com", "W1K1")
    assert client.attributes == {"ville": "Fès", "ville_2": "Rabat", "couleur": "bleu", "vin_2": "W1K2"}


@pytest.mark.django_db
def test_a_merge_raises_the_rev_of_both(two_clients, fatou_writes):
    held, waiting = two_clients
    fatou_writes("c'est toujours moi", address=USER_ID, other_address=FATOU)
    for conversation in (held, waiting):
        before = conversation.rev
        conversation.refresh_from_db()
        assert conversation.rev > before


@pytest.mark.django_db
def test_of_two_with_the_bot_the_one_with_the_latest_message_goes_on(fatou_writes, clock):
    first = fatou_writes("un")
    clock.passes(minutes=1)
    second = fatou_writes("deux", address=USER_ID)
    current = fatou_writes("trois", other_address=USER_ID)
    assert current.pk == second.pk
    first.refresh_from_db()
    assert not first.is_open


@pytest.mark.django_db
def test_conversations_with_two_of_our_numbers_both_go_on(fatou_writes, clock):
    first = fatou_writes("un")
    second = fatou_writes("deux", address=USER_ID, sender=OTHER_NUMBER)
    fatou_writes("trois", other_address=USER_ID)
    assert Conversation.objects.open().count() == 2
    second.refresh_from_db()
    assert second.client_id == first.client_id


@pytest.mark.django_db
def test_a_queued_text_of_a_person_is_still_sent(two_clients, fatou_writes, awa, koffi, clock):
    held, waiting = two_clients
    waiting.take_over(koffi, at=clock.passes(seconds=1))
    delivery = waiting.send_as_agent("Bonjour Fatou.", agent=koffi, at=clock.passes(seconds=1))
    waiting.deliveries.exclude(pk=delivery.pk).update(state="sent")
    clock.passes(seconds=1)
    fatou_writes("me revoici")
    fatou_writes("c'est moi", other_address=USER_ID)
    waiting.refresh_from_db()
    assert not waiting.is_open, "both were held: the one with the latest message goes on"
    assert Conversation.objects.get(pk=held.pk).agent == awa
    assert delivery.claim(by="here", at=clock.passes(seconds=1))


# -- two forms of one number -------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("whatsapp:+5215512345678", "whatsapp:+525512345678"),
        ("whatsapp:+5491123456789", "whatsapp:+541123456789"),
        ("whatsapp:+5531987654321", "whatsapp:+553187654321"),
        ("whatsapp:+22507123456", "whatsapp:+2250707123456"),
    ],
)
def test_a_number_written_in_its_other_form_is_the_same_client(fatou_writes, one, other):
    first = fatou_writes("un", address=one)
    second = fatou_writes("deux", address=other)
    assert first.pk == second.pk
    assert Client.objects.count() == 1
    assert second.address.address == other, "we send to the form in use now"
    assert second.address.phone_number == other.removeprefix("whatsapp:")
    for form in (one, other):
        assert list(Conversation.objects.search(form.removeprefix("whatsapp:"))) == [first]


@pytest.mark.django_db
def test_digits_of_another_script_find_a_number(with_bot, fatou_writes):
    fatou_writes("un", address=IBRAHIM)
    for typed in ("٢١٢ ٦٠٠ ٠٠٠٠٠١", "۰۶۰۰۰۰۰۰۰۱", "0600-00-00-01"):
        assert list(Conversation.objects.search(typed)) == [with_bot]


# -- concurrency --------------------------------------------------------------------------------------


def ingest_concurrently(*batches, at):
    """Each batch in a thread and a transaction of its own; returns the exceptions."""
    barrier = threading.Barrier(len(batches))
    errors = []

    def store(batch):
        try:
            barrier.wait(TIMEOUT_SECONDS)
            ingest(batch, at=at)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=store, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    return errors


@pytest.mark.django_db(transaction=True)
def test_first_messages_from_both_addresses_at_once_are_one_person(clock):
    for n in range(12):
        number, user_id = f"whatsapp:+21260000{n:04}", f"whatsapp:MA.{n}abc"
        errors = ingest_concurrently(
            [message("par le numéro", address=number, other_address=user_id)],
            [message("par le nom", address=user_id, other_address=number)],
            [message("sans dire qui", address=user_id)],
            at=clock.now,
        )
        assert errors == []
        clients = set(
            ClientAddress.objects.filter(address__in=[number, user_id]).values_list("client", flat=True)
        )
        assert len(clients) == 1
        conversations = Conversation.objects.filter(client__in=clients)
        assert conversations.open().count() == 1
        bodies = ConversationEvent.objects.filter(
            conversation__in=conversations, event_type="message_received"
        )
        assert sorted(bodies.values_list("body", flat=True)) == [
            "par le nom",
            "par le numéro",
            "sans dire qui",
        ]
        for conversation in conversations:
            assert [e.seq for e in conversation.history()] == list(range(1, conversation.seq + 1))


@pytest.mark.django_db(transaction=True)
def test_a_merge_while_both_addresses_write_loses_nothing(clock):
    for n in range(12):
        number, user_id = f"whatsapp:+21261000{n:04}", f"whatsapp:MA.{n}xyz"
        ingest_all(message("un", address=number), message("deux", address=user_id), at=clock.now)
        errors = ingest_concurrently(
            [message("trois", address=number, other_address=user_id)],
            [message("quatre", address=user_id), message("cinq", address=number)],
            [message("six", address=user_id, other_address=number)],
            at=clock.passes(minutes=1),
        )
        assert errors == []
        [client] = set(
            ClientAddress.objects.filter(address__in=[number, user_id]).values_list("client", flat=True)
        )
        conversations = Conversation.objects.filter(client=client)
        assert conversations.open().count() == 1
        events = ConversationEvent.objects.filter(
            conversation__in=conversations, event_type="message_received"
        )
        assert len(events) == 6
        for conversation in conversations:
            assert [e.seq for e in conversation.history()] == list(range(1, conversation.seq + 1))


@pytest.mark.django_db
def test_the_database_refuses_a_second_open_conversation_of_a_person(with_bot, fatou_writes):
    fatou_writes("encore", other_address=USER_ID)
    second = ClientAddress.objects.get(address=USER_ID)
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.create(address=second, sender=with_bot.sender)
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.create(address=second, client=Client.objects.create(), sender=with_bot.sender)


@pytest.mark.django_db
def test_the_database_refuses_two_addresses_with_one_number(fatou_writes):
    fatou_writes("un", address="whatsapp:+5215512345678")
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientAddress.objects.create(address="whatsapp:+525512345678", client=Client.objects.create())


# -- opt-out ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_opt_out_counts_for_the_person_under_every_address(held_by_awa, fatou_writes, awa, clock):
    address = held_by_awa.address
    held_by_awa.client.opt_out(OUR_NUMBER, at=clock.now, address=address)
    fatou_writes("d'un autre numéro", address=IBRAHIM)
    ingest([message(sender=OTHER_NUMBER, other_address=USER_ID)], at=clock.passes(seconds=1))
    held_by_awa = Conversation.objects.get(pk=held_by_awa.pk)
    with pytest.raises(CannotSend, match="ne plus recevoir"):
        held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))
    fatou_writes("me revoici", address=USER_ID)
    held_by_awa = Conversation.objects.get(pk=held_by_awa.pk)
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))
