"""What reached the desk late says so, and supervisors see that somebody looks."""

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


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace(" ,", ",")


def sees(user, path="/dashboard"):
    client = Client()
    client.force_login(user)
    return words(client.get(path).text)


def bubble(conversation):
    return words(fragments.message(conversation.events.last()))


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (timedelta(hours=1), "récupéré, écrit à 08:00"),
        (timedelta(hours=21), r"récupéré, écrit le 1 mars (\d{4} )?à 12:00"),
    ],
)
def test_a_recovered_message_says_when_it_was_written(fatou_writes, clock, late, said):
    clock.now = Clock().now
    conversation = fatou_writes(occurred_at=clock.now - late, metadata={"recovered": True})
    assert re.search(said, bubble(conversation))


def test_it_says_so_in_the_reader_s_language(fatou_writes, clock):
    conversation = fatou_writes(occurred_at=clock.now, metadata={"recovered": True})
    with translation.override("en"):
        assert "recovered, written at" in bubble(conversation)


def test_what_was_only_read_in_the_log_says_its_time_once_it_is_worth_a_word(fatou_writes, clock):
    assert "écrit à" not in bubble(fatou_writes(occurred_at=clock.now - timedelta(seconds=50)))
    said = bubble(fatou_writes(occurred_at=clock.now - timedelta(minutes=3)))
    assert "écrit à" in said
    assert "récupéré" not in said
    assert "écrit" not in bubble(fatou_writes())


@pytest.fixture
def reading(clock):
    account = settings.ENVIRONMENT.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(
        OUR_NUMBER, account=account, since=clock.now - timedelta(hours=1)
    )

    def found(**fields):
        LogReconciliation.objects.filter(pk=reading.pk).update(**fields)

    found(last_ok_at=clock.now - timedelta(seconds=40), called_at=clock.now)
    return found


def test_a_supervisor_sees_that_the_log_was_checked(reading, mariam):
    assert re.search(r"Dernière vérification il y a 4\d s, 0 manquant$", sees(mariam))
    assert re.match(
        r"Dernière vérification il y a 4\d s, 0 manquant$", sees(mariam, "/dashboard/verification")
    )


def test_and_what_was_found(reading, mariam):
    reading(missing=2, recovered=2)
    assert "2 manquants, récupérés" in sees(mariam)
    reading(missing=2, left=1)
    assert sees(mariam).endswith("1 manquant")


def test_an_agent_is_not_bothered_with_it(reading, awa):
    assert "vérification" not in sees(awa)
    assert sees(awa, "/dashboard/verification") == ""


def test_one_that_is_late_says_why(reading, mariam, clock):
    reading(last_ok_at=clock.now - timedelta(minutes=12), last_error="Twilio ne répond pas.")
    assert "il y a 12 min · Twilio ne répond pas." in sees(mariam)
    reading(last_error="")
    assert "il y a 12 min, 0 manquant" in sees(mariam)
    assert "La vérification est en retard." in sees(mariam)


@pytest.mark.parametrize("error", ["last_error", "back_error"])
def test_a_look_that_broke_off_never_says_that_nothing_is_missing(reading, mariam, error):
    reading(**{error: "Twilio ne répond pas."})
    assert "manquant" not in sees(mariam)
    assert re.search(
        r"Vérification incomplète, la dernière complète il y a 4\d s · Twilio ne répond pas\.$", sees(mariam)
    )
    reading(missing=7)
    assert re.search(r"il y a 4\d s, 7 messages trouvés · Twilio ne répond pas\.$", sees(mariam))


def test_where_twilio_never_called_it_says_so(reading, mariam):
    reading(called_at=None, recovered=1)
    assert "Twilio n'appelle pas Relais" in sees(mariam)


def test_before_the_first_look(mariam):
    assert "n'a pas encore été comparé" in sees(mariam)
