"""« État »: is everything well, and what to do where it is not."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from relais.conversations.models import MessageDelivery
from relais.live import metrics as live_measures
from relais.ops import health
from relais.ops.job_progress import periodic_intervals
from relais.ops.watch import checks as checks_module
from relais.ops.watch.alert_badge import light
from relais.ops.watch.checks import CONFIGURATION_ERRORS, Level, signs
from relais.ops.watch.models import Tally
from relais.whatsapp import metrics
from relais.whatsapp.reconcile.log_polls import TWILIO_NOT_RESPONDING
from relais.whatsapp.reconcile.status import ReconciliationStatus

pytestmark = pytest.mark.django_db
MINUTES = timedelta(minutes=1)
BAD = "signatures_refused /api/twilio/message"


@pytest.fixture(autouse=True)
def enough_room_and_no_account_to_compare(monkeypatch):
    monkeypatch.setattr(checks_module, "LOW_FREE_BYTES", 0)
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: None)


def sign(title, at=None):
    return next(sign for sign in signs(at or timezone.now()) if sign.title == title)


def waits_to_be_sent(conversation, agent, clock, *, since):
    conversation.send_as_agent("Bonjour", agent=agent, at=clock.now)
    MessageDelivery.objects.update(created_at=timezone.now() - since)


# -- well --------------------------------------------------------------------------------------------------


def test_when_all_is_well_the_page_says_so(well, nadia, client):
    client.force_login(nadia)
    page = client.get("/dashboard/state").content.decode()
    assert "Tout va bien" in page
    assert (
        'class="status-check status-check--danger"' not in page
        and 'class="status-check status-check--attention"' not in page
    )


def test_every_sign_that_is_not_well_says_what_to_do(nadia, held_by_awa, awa, clock, happened):
    waits_to_be_sent(held_by_awa, awa, clock, since=5 * MINUTES)
    happened(BAD)
    happened("hooks /api/twilio/message 503")
    unwell = [sign for sign in signs(timezone.now()) if sign.level != Level.GOOD]
    assert len(unwell) >= 4
    assert all(sign.todo for sign in unwell)


def test_what_is_wrong_comes_first(well, happened):
    happened(BAD)
    assert signs(timezone.now())[0].title == "Appels de Twilio"


# -- what turns it red -------------------------------------------------------------------------------------


def test_a_message_that_waits_over_a_minute_is_red(well, held_by_awa, awa, clock):
    waits_to_be_sent(held_by_awa, awa, clock, since=50 * timedelta(seconds=1))
    assert sign("Envoi").level == Level.GOOD
    waits_to_be_sent(held_by_awa, awa, clock, since=4 * MINUTES)
    assert sign("Envoi").level == Level.DANGER
    assert "depuis 4 min" in sign("Envoi").sentence or "le plus ancien depuis 4 min" in sign("Envoi").sentence


def test_why_it_waits_is_said(held_by_awa, awa, clock, happened):
    waits_to_be_sent(held_by_awa, awa, clock, since=4 * MINUTES)
    assert sign("Envoi").todo.startswith("L'envoi est arrêté.")
    from relais.ops.health import record_heartbeat

    record_heartbeat("sender")
    assert "jobs.log" in sign("Envoi").todo
    happened("sends later ")
    assert "status.twilio.com" in sign("Envoi").todo


def test_a_refused_signature_is_red_at_once_and_fades(well, happened, client):
    metrics.count_rejected_signature("/api/twilio/message")
    assert sign("Appels de Twilio").level == Level.DANGER
    Tally.objects.all().delete()
    happened(BAD, 3, ago=20 * MINUTES)
    seen = sign("Appels de Twilio")
    assert (seen.level, "3 appels refusés" in seen.sentence, "20 min" in seen.sentence) == (
        Level.ATTENTION,
        True,
        True,
    )
    Tally.objects.all().delete()
    happened(BAD, 3, ago=25 * 60 * MINUTES)
    assert sign("Appels de Twilio").level == Level.GOOD


def test_a_program_with_a_wrong_token_is_not_twilio(well, happened):
    happened("signatures_refused /api/twilio/send-message", 2)
    seen = sign("Appels de Twilio")
    assert (seen.level, "jeton" in seen.sentence) == (Level.ATTENTION, True)


def test_a_call_that_could_not_be_stored_is_red(well, happened):
    happened("hooks /api/twilio/message 503", 2)
    assert sign("Messages reçus").level == Level.DANGER


@pytest.mark.parametrize(("duty", "title"), [("jobs", "Tâches"), ("sender", "Envoi")])
def test_a_duty_without_a_sign_of_life_is_red(well, duty, title):
    assert sign(title).level == Level.GOOD
    with connection.cursor() as cursor:
        cursor.execute("update heartbeats set at = now() - interval '4 minutes' where name = %s", [duty])
    assert sign(title).level == Level.DANGER
    assert "depuis 4 min" in sign(title).sentence


def test_a_periodic_job_that_does_not_succeed_is_red(well):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    assert sign("Tâches").level == Level.GOOD
    health.record_completions({"task relais.flows.tasks.wake_bots": 45.0})
    seen = sign("Tâches")
    assert (seen.level, "wake_bots n'a pas abouti depuis 45 s" in seen.sentence) == (Level.DANGER, True)
    assert "jobs.log" in seen.todo


@pytest.mark.parametrize(("completed", "words"), [(500.0, "personne ne la prend"), (3.0, "Trop de tâches")])
def test_jobs_that_wait_too_long_are_red(well, completed, words):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    health.record_completions({"queue default": completed})
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_jobs (queue_name, task_name, scheduled_at)"
            " values ('default', 'relais.try', now() - interval '200 seconds')"
        )
        cursor.execute("update procrastinate_events set at = now() - interval '200 seconds'")
    assert (sign("Tâches").level, words in sign("Tâches").sentence) == (Level.DANGER, True)


def test_little_room_is_red(well, monkeypatch):
    monkeypatch.setattr(checks_module, "LOW_FREE_BYTES", 10**18)
    assert sign("Disque").level == Level.ATTENTION
    monkeypatch.setattr(checks_module, "CRITICAL_FREE_BYTES", 10**18)
    assert sign("Disque").level == Level.DANGER


def test_a_comparison_that_broke_off_never_says_that_nothing_is_missing(well, monkeypatch):
    told = ReconciliationStatus(
        last_ok_at=timezone.now() - 2 * MINUTES, completed_until=None, missing=0, left=0, foreign=0, recovered=0,
        statuses=0, overheard=0, error=TWILIO_NOT_RESPONDING, is_called=True, level="good",
    )  # fmt: skip
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: told)
    sentence = sign("Vérification").sentence
    assert "Vérification incomplète" in sentence
    assert "manquant" not in sentence


def test_a_comparison_that_is_late_is_as_bad_as_it_says(well, monkeypatch):
    told = ReconciliationStatus(
        last_ok_at=timezone.now() - 20 * MINUTES, completed_until=None, missing=0, left=0, foreign=0, recovered=0,
        statuses=0, overheard=0, error=TWILIO_NOT_RESPONDING, is_called=True, level="danger",
    )  # fmt: skip
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: told)
    seen = sign("Vérification")
    assert (seen.level, "il y a 20 min" in seen.sentence) == (Level.DANGER, True)
    assert seen.todo.startswith("Twilio ne répond pas.")


# -- what deserves a look ----------------------------------------------------------------------------------


def test_where_nothing_can_be_written_the_page_is_shown_all_the_same(well, nadia, client, monkeypatch):
    def full():
        raise OperationalError("no space left on device")

    monkeypatch.setattr(checks_module.keeper, "add_up", full)
    client.force_login(nadia)
    assert "Tout va bien" in client.get("/dashboard/state").content.decode()


def test_many_refusals_by_twilio_are_told_with_the_most_frequent_reason(well, happened):
    happened("sends accepted ", 10)
    happened("sends refused 63016", 5)
    happened("sends refused 63003", 1)
    seen = sign("Envoi")
    assert (seen.level, "refusé 6 messages" in seen.sentence) == (Level.ATTENTION, True)
    assert "63016" in seen.todo and "24 h" in seen.todo


def test_one_refusal_of_our_own_number_is_red_and_says_what_to_mend(well, happened):
    happened("sends accepted ", 40, ago=20 * MINUTES)
    happened("sends refused 63007", 1, ago=5 * MINUTES)
    seen = sign("Envoi")
    assert (seen.level, seen.link) == (Level.DANGER, "/dashboard/settings")
    assert "63007" in seen.sentence and "TWILIO_WHATSAPP_NUMBER" in seen.todo


def test_once_something_was_taken_again_it_is_only_to_be_looked_at(well, happened):
    happened("sends refused 63007", 1, ago=20 * MINUTES)
    happened("sends accepted ", 1, ago=5 * MINUTES)
    assert sign("Envoi").level == Level.ATTENTION


@pytest.mark.parametrize("code", CONFIGURATION_ERRORS)
def test_every_error_of_configuration_says_what_to_do(well, happened, code):
    happened(f"sends refused {code}")
    seen = sign("Envoi")
    assert str(code) in seen.sentence and seen.todo


def test_no_confirmation_for_what_was_sent_is_told(well, happened):
    happened("sends accepted ", 10, ago=30 * MINUTES)
    assert sign("Confirmations de Twilio").level == Level.ATTENTION
    happened("hooks /api/twilio/status 204", 1, ago=3 * MINUTES)
    assert "il y a 3 min" in sign("Confirmations de Twilio").sentence


def test_a_job_that_failed_is_told_by_its_task(well):
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_jobs (queue_name, task_name, status) values ('default', 'relais.try', 'failed') returning id"
        )
        job = cursor.fetchone()[0]
        cursor.execute(
            "insert into procrastinate_events (job_id, type, at) values (%s, 'failed', now())", [job]
        )
    assert (sign("Tâches").level, "relais.try" in sign("Tâches").todo) == (Level.ATTENTION, True)


# -- who sees it, and where --------------------------------------------------------------------------------


def test_agents_and_supervisors_see_neither_page_nor_light(well, awa, mariam, client):
    for person in (awa, mariam):
        client.force_login(person)
        assert client.get("/dashboard/state").status_code == 403
        assert client.get("/dashboard/state/light").status_code == 403
        assert "sidebar__alert" not in client.get("/dashboard").content.decode()


def test_the_red_light_stands_on_every_page_of_an_admin(well, nadia, client, happened):
    client.force_login(nadia)
    assert "data-red" not in client.get("/dashboard").content.decode()
    happened(BAD)
    light.forget()
    for path in ("/dashboard", "/dashboard/settings", "/dashboard/flows"):
        assert "data-red" in client.get(path).content.decode()
    assert "data-red" in client.get("/dashboard/state/light").content.decode()


def test_the_light_looks_only_now_and_then(well, nadia, client, django_assert_max_num_queries):
    client.force_login(nadia)
    client.get("/dashboard/state/light")
    with django_assert_max_num_queries(3):  # Session, user and nothing of the state.
        client.get("/dashboard/state/light")


def test_what_is_asked_again_by_itself_is_a_piece_and_not_the_page(well, nadia, client):
    client.force_login(nadia)
    piece = client.get("/dashboard/state", headers={"HX-Request": "true"})
    assert piece.content.decode().lstrip().startswith('<div id="state"')
    assert "no-store" in piece.headers["Cache-Control"]


def test_who_was_signed_out_is_told_so_and_not_led_elsewhere(client, db):
    assert client.get("/dashboard/state", headers={"HX-Request": "true"}).status_code == 401
    assert client.get("/dashboard/state").status_code == 302


def test_the_figures_are_those_of_all_processes(well, nadia, client, happened):
    happened("hooks /api/twilio/message 200", 1234)
    happened("sends accepted ", 56, ago=10 * MINUTES)
    client.force_login(nadia)
    page = client.get("/dashboard/state").content.decode()
    assert "<strong>1234</strong>" in page.replace(" ", "").replace(" ", "")
    assert "<strong>56</strong>" in page


def test_pages_that_are_not_told_at_once_deserve_a_look(well):
    live_measures.LISTENING.set_function(lambda: 0.0)
    assert sign("Direct").level == Level.ATTENTION
