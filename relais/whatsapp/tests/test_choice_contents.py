"""Questions with choices are sent by a content of Twilio's, made once for each distinct question."""

import pytest
from django.utils import timezone

from relais.choices import parse_choices
from relais.conversations.models import ConversationEvent
from relais.conversations.tests.test_inbound import run_concurrently
from relais.whatsapp.models import ChoiceContent
from relais.whatsapp.outbound import choice_contents
from tests.cast import FATOU, MachineClock

from .conftest import claim_and_send

pytestmark = pytest.mark.django_db(transaction=True)
OUI_NON = parse_choices("buttons", [{"title": "Oui"}, {"title": "Non"}])
CITIES = parse_choices("list", [{"title": "Rabat", "description": "Agdal"}, {"title": "Fès"}], "Voir")


@pytest.fixture
def clock():
    return MachineClock()


@pytest.fixture
def question(held_by_awa, awa, double):
    double.open_window(FATOU)
    held_by_awa.deliveries.update(state="sent")

    def question(text="Vous venez ?", choices=OUI_NON):
        return held_by_awa.send_choices_as_agent(text, choices, agent=awa, at=timezone.now())

    return question


def send(delivery):
    type(delivery).objects.filter(pk=delivery.pk).update(not_before=timezone.now())
    claim_and_send(delivery.pk, by="p")
    delivery.refresh_from_db()
    return delivery.state


def contents(double):
    return double.requests("create_content")


@pytest.mark.parametrize(
    ("choices", "type_"), [(OUI_NON, "twilio/quick-reply"), (CITIES, "twilio/list-picker")]
)
def test_a_question_is_sent_by_its_content(question, double, choices, type_):
    delivery = question(choices=choices)
    assert send(delivery) == "sent"
    [message] = double.accepted()
    assert message.content_sid == ChoiceContent.objects.get().content_sid
    assert message.shown_text == "Vous venez ?"
    assert [action.title for action in message.rendered.actions] == [item.title for item in choices.items]
    assert type_ in double.double.contents.get(message.content_sid).types


def test_the_same_question_uses_the_same_content(question, double):
    for _n in range(2):
        delivery = question()
        assert send(delivery) == "sent"
        type(delivery).objects.update(state="delivered")
    assert send(question("Et demain ?")) == "sent"
    assert contents(double) == 2


def test_two_senders_at_once_end_with_one_content(question, double):
    delivery = question()
    sids = run_concurrently(lambda n: choice_contents.content_sid_for(delivery), 2)
    assert len(set(sids)) == 1
    assert ChoiceContent.objects.get().content_sid == sids[0]


@pytest.mark.parametrize("fault", ["no_answer", "5xx_accepted"])
def test_a_lost_answer_doubles_nothing_and_the_content_is_found_again(question, double, fault):
    double.fault("create_content", fault, times=1, close=True)
    delivery = question()
    assert send(delivery) == "queued"
    assert double.accepted() == []
    assert send(delivery) == "sent"
    assert (len(double.accepted()), contents(double)) == (1, 1)


def test_a_crash_between_content_and_message_leaves_nothing_doubled(question, double, monkeypatch):
    delivery = question()
    sid = choice_contents.content_sid_for(delivery)
    ChoiceContent.objects.all().delete()
    delivery.attempt = 2
    assert choice_contents.content_sid_for(delivery) == sid
    assert contents(double) == 1


def test_a_throttled_creation_is_retried(question, double):
    double.fault("create_content", "429", times=1)
    delivery = question()
    assert send(delivery) == "queued"
    assert send(delivery) == "sent"


def test_a_rejected_content_is_refused_with_its_code(question, double):
    double.fault("create_content", "reject", times=1, code=20001, status="400")
    delivery = question()
    assert send(delivery) == "failed"
    assert double.accepted() == []


def test_a_content_that_was_deleted_at_twilio_is_made_again(question, double):
    delivery = question()
    sid = choice_contents.content_sid_for(delivery)
    double.double.contents.delete(sid)
    assert send(delivery) == "queued"
    assert send(delivery) == "sent"
    assert ChoiceContent.objects.get().content_sid != sid


def test_the_tap_comes_back_tied_to_its_question(question, double, twilio):
    delivery = question(choices=CITIES)
    assert send(delivery) == "sent"
    double.client_writes(
        FATOU,
        "Fès",
        extra={"ListId": "choice-2", "ListTitle": "Fès", "OriginalRepliedMessageSid": delivery.sid},
    )
    tapped = ConversationEvent.objects.filter(event_type="message_received").latest("pk")
    assert tapped.metadata["choice"] == {
        "title": "Fès",
        "question": delivery.event_id,
        "quote": "Vous venez ?",
    }
