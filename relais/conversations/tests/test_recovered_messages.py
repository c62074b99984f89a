"""Messages recovered from Twilio's log show when they were written, and supervisors see the reconciliation status."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone, translation

from relais.conversations import fragments
from relais.whatsapp.models import LogReconciliation
from tests.cast import OUR_NUMBER, Clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


def visible_text(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace(" ,", ",")


def page_text(user, path="/dashboard"):
    client = Client()
    client.force_login(user)
    # Of a page, up to the end of its main part; the command bar follows it.
    return visible_text(client.get(path).text.partition("</main>")[0])


def bubble_text(conversation):
    return visible_text(fragments.message(conversation.events.last()))


@pytest.mark.parametrize(
    ("delay", "note"),
    [
        (timedelta(hours=1), "récupéré, écrit à 08:00"),
        (timedelta(hours=21), r"récupéré, écrit le 1 mars (\d{4} )?à 12:00"),
    ],
)
def test_a_recovered_message_says_when_it_was_written(fatou_writes, clock, delay, note):
    clock.now = Clock().now
    conversation = fatou_writes(occurred_at=clock.now - delay, metadata={"recovered": True})
    assert re.search(note, bubble_text(conversation))


def test_the_note_is_in_the_readers_language(fatou_writes, clock):
    conversation = fatou_writes(occurred_at=clock.now, metadata={"recovered": True})
    with translation.override("en"):
        assert "recovered, written at" in bubble_text(conversation)


def test_a_message_found_in_the_log_shows_its_time_if_it_is_late(fatou_writes, clock):
    assert "écrit à" not in bubble_text(fatou_writes(occurred_at=clock.now - timedelta(seconds=50)))
    text = bubble_text(fatou_writes(occurred_at=clock.now - timedelta(minutes=3)))
    assert "écrit à" in text
    assert "récupéré" not in text
    assert "écrit" not in bubble_text(fatou_writes())


@pytest.fixture
def reading(clock):
    account = settings.ENVIRONMENT.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(
        OUR_NUMBER, account=account, since=clock.now - timedelta(hours=1)
    )

    def update(**fields):
        LogReconciliation.objects.filter(pk=reading.pk).update(**fields)

    update(last_ok_at=clock.now - timedelta(seconds=40), called_at=clock.now)
    return update


def test_a_supervisor_sees_when_the_log_was_reconciled(reading, mariam):
    assert re.search(r"Dernière vérification il y a 4\d s, 0 manquant$", page_text(mariam))
    assert re.match(
        r"Dernière vérification il y a 4\d s, 0 manquant$", page_text(mariam, "/dashboard/verification")
    )


def test_a_supervisor_sees_what_was_missing(reading, mariam):
    reading(missing=2, recovered=2)
    assert "2 manquants, récupérés" in page_text(mariam)
    reading(missing=2, left=1)
    assert page_text(mariam).endswith("1 manquant")


def test_an_agent_does_not_see_the_reconciliation(reading, awa):
    assert "vérification" not in page_text(awa)
    assert page_text(awa, "/dashboard/verification") == ""


def test_a_late_reconciliation_shows_the_reason(reading, mariam, clock):
    reading(last_ok_at=clock.now - timedelta(minutes=12), last_error="Twilio ne répond pas.")
    assert "il y a 12 min · Twilio ne répond pas." in page_text(mariam)
    reading(last_error="")
    assert "il y a 12 min, 0 manquant" in page_text(mariam)
    assert "La vérification est en retard." in page_text(mariam)


@pytest.mark.parametrize("error", ["last_error", "back_error"])
def test_an_incomplete_reconciliation_never_says_that_nothing_is_missing(reading, mariam, error):
    reading(**{error: "Twilio ne répond pas."})
    assert "manquant" not in page_text(mariam)
    assert re.search(
        r"Vérification incomplète, la dernière complète il y a 4\d s · Twilio ne répond pas\.$",
        page_text(mariam),
    )
    reading(missing=7)
    assert re.search(r"il y a 4\d s, 7 messages trouvés · Twilio ne répond pas\.$", page_text(mariam))


def test_it_says_that_twilio_never_called(reading, mariam):
    reading(called_at=None, recovered=1)
    assert "Twilio n'appelle pas Relais" in page_text(mariam)


def test_before_the_first_reconciliation(mariam):
    assert "n'a pas encore été comparé" in page_text(mariam)
