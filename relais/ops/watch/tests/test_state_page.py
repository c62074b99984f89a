"""The status page « État »: the level, sentence and advice of each check; the alert badge; who may see them."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from relais.conversations.models import MessageDelivery
from relais.live import metrics as live_metrics
from relais.ops import health
from relais.ops.job_progress import periodic_intervals
from relais.ops.watch import checks as checks_module
from relais.ops.watch.alert_badge import alert_badge
from relais.ops.watch.checks import CONFIGURATION_ERROR_ADVICE, Level, run_checks
from relais.ops.watch.models import Tally
from relais.whatsapp import metrics
from relais.whatsapp.reconcile.log_polls import TWILIO_NOT_RESPONDING
from relais.whatsapp.reconcile.status import ReconciliationStatus

pytestmark = pytest.mark.django_db
MINUTES = timedelta(minutes=1)
REJECTED_SIGNATURE = "signatures_refused /api/twilio/message"


@pytest.fixture(autouse=True)
def enough_disk_space_and_no_reconciliation(monkeypatch):
    monkeypatch.setattr(checks_module, "LOW_FREE_BYTES", 0)
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: None)


def run_check(title, at=None):
    return next(check for check in run_checks(at or timezone.now()) if check.title == title)


def queue_message(conversation, agent, clock, *, since):
    conversation.send_as_agent("Bonjour", agent=agent, at=clock.now)
    MessageDelivery.objects.update(created_at=timezone.now() - since)


# -- good --------------------------------------------------------------------------------------------------


def test_the_page_says_when_all_checks_are_good(healthy, nadia, client):
    client.force_login(nadia)
    page = client.get("/dashboard/state").content.decode()
    assert "Tout va bien" in page
    assert (
        'class="status-check status-check--danger"' not in page
        and 'class="status-check status-check--attention"' not in page
    )


def test_every_check_that_is_not_good_gives_advice(nadia, held_by_awa, awa, clock, record_events):
    queue_message(held_by_awa, awa, clock, since=5 * MINUTES)
    record_events(REJECTED_SIGNATURE)
    record_events("hooks /api/twilio/message 503")
    not_good = [check for check in run_checks(timezone.now()) if check.level != Level.GOOD]
    assert len(not_good) >= 4
    assert all(check.advice for check in not_good)


def test_the_worst_check_comes_first(healthy, record_events):
    record_events(REJECTED_SIGNATURE)
    assert run_checks(timezone.now())[0].title == "Appels de Twilio"


# -- danger ------------------------------------------------------------------------------------------------


def test_a_message_unsent_for_over_a_minute_is_a_danger(healthy, held_by_awa, awa, clock):
    queue_message(held_by_awa, awa, clock, since=50 * timedelta(seconds=1))
    assert run_check("Envoi").level == Level.GOOD
    queue_message(held_by_awa, awa, clock, since=4 * MINUTES)
    assert run_check("Envoi").level == Level.DANGER
    assert (
        "depuis 4 min" in run_check("Envoi").sentence
        or "le plus ancien depuis 4 min" in run_check("Envoi").sentence
    )


def test_a_scheduled_message_that_is_late_is_a_danger(healthy, held_by_awa, awa, clock):
    at = timezone.now()
    held_by_awa.schedule("À demain", agent=awa, send_at=at + timedelta(hours=1), at=at)
    assert run_check("Messages programmés").sentence == "1 attend son heure."
    held_by_awa.scheduled_messages.update(send_at=at - timedelta(minutes=5))
    check = run_check("Messages programmés")
    assert (check.level, check.link) == (Level.DANGER, "/dashboard/scheduled")
    assert "1 message programmé aurait dû partir il y a 5 min" in check.sentence


def test_the_advice_says_why_messages_wait(held_by_awa, awa, clock, record_events):
    queue_message(held_by_awa, awa, clock, since=4 * MINUTES)
    assert run_check("Envoi").advice.startswith("L'envoi est arrêté.")
    from relais.ops.health import record_heartbeat

    record_heartbeat("sender")
    assert "jobs.log" in run_check("Envoi").advice
    record_events("sends later ")
    assert "status.twilio.com" in run_check("Envoi").advice


def test_a_rejected_signature_is_a_danger_at_first_and_then_fades(healthy, record_events, client):
    metrics.count_rejected_signature("/api/twilio/message")
    assert run_check("Appels de Twilio").level == Level.DANGER
    Tally.objects.all().delete()
    record_events(REJECTED_SIGNATURE, 3, ago=20 * MINUTES)
    check = run_check("Appels de Twilio")
    assert (check.level, "3 appels refusés" in check.sentence, "20 min" in check.sentence) == (
        Level.ATTENTION,
        True,
        True,
    )
    Tally.objects.all().delete()
    record_events(REJECTED_SIGNATURE, 3, ago=25 * 60 * MINUTES)
    assert run_check("Appels de Twilio").level == Level.GOOD


def test_an_unknown_api_token_is_not_reported_as_a_twilio_signature(healthy, record_events):
    record_events("signatures_refused /api/twilio/send-message", 2)
    check = run_check("Appels de Twilio")
    assert (check.level, "jeton" in check.sentence) == (Level.ATTENTION, True)


def test_a_hook_call_that_could_not_be_stored_is_a_danger(healthy, record_events):
    record_events("hooks /api/twilio/message 503", 2)
    assert run_check("Messages reçus").level == Level.DANGER


@pytest.mark.parametrize(("name", "title"), [("jobs", "Tâches"), ("sender", "Envoi")])
def test_a_stale_heartbeat_is_a_danger(healthy, name, title):
    assert run_check(title).level == Level.GOOD
    with connection.cursor() as cursor:
        cursor.execute("update heartbeats set at = now() - interval '4 minutes' where name = %s", [name])
    assert run_check(title).level == Level.DANGER
    assert "depuis 4 min" in run_check(title).sentence


def test_an_overdue_periodic_job_is_a_danger(healthy):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    assert run_check("Tâches").level == Level.GOOD
    health.record_completions({"task relais.flows.tasks.wake_bots": 45.0})
    check = run_check("Tâches")
    assert (check.level, "wake_bots n'a pas abouti depuis 45 s" in check.sentence) == (Level.DANGER, True)
    assert "jobs.log" in check.advice


@pytest.mark.parametrize(("completed", "words"), [(500.0, "personne ne la prend"), (3.0, "Trop de tâches")])
def test_a_late_or_stuck_queue_is_a_danger(healthy, completed, words):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    health.record_completions({"queue default": completed})
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_jobs (queue_name, task_name, scheduled_at)"
            " values ('default', 'relais.try', now() - interval '200 seconds')"
        )
        cursor.execute("update procrastinate_events set at = now() - interval '200 seconds'")
    assert (run_check("Tâches").level, words in run_check("Tâches").sentence) == (Level.DANGER, True)


def test_low_disk_space_is_a_danger(healthy, monkeypatch):
    monkeypatch.setattr(checks_module, "LOW_FREE_BYTES", 10**18)
    assert run_check("Disque").level == Level.ATTENTION
    monkeypatch.setattr(checks_module, "CRITICAL_FREE_BYTES", 10**18)
    assert run_check("Disque").level == Level.DANGER


def test_an_incomplete_reconciliation_never_says_that_nothing_is_missing(healthy, monkeypatch):
    status = ReconciliationStatus(
        last_ok_at=timezone.now() - 2 * MINUTES, completed_until=None, missing=0, left=0, foreign=0, recovered=0,
        statuses=0, overheard=0, error=TWILIO_NOT_RESPONDING, is_called=True, level="good",
    )  # fmt: skip
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: status)
    sentence = run_check("Vérification").sentence
    assert "Vérification incomplète" in sentence
    assert "manquant" not in sentence


def test_a_late_reconciliation_has_the_level_of_its_status(healthy, monkeypatch):
    status = ReconciliationStatus(
        last_ok_at=timezone.now() - 20 * MINUTES, completed_until=None, missing=0, left=0, foreign=0, recovered=0,
        statuses=0, overheard=0, error=TWILIO_NOT_RESPONDING, is_called=True, level="danger",
    )  # fmt: skip
    monkeypatch.setattr(checks_module, "reconciliation_status", lambda *, at=None: status)
    check = run_check("Vérification")
    assert (check.level, "il y a 20 min" in check.sentence) == (Level.DANGER, True)
    assert check.advice.startswith("Twilio ne répond pas.")


# -- attention ---------------------------------------------------------------------------------------------


def test_the_page_is_shown_when_the_database_takes_no_writes(healthy, nadia, client, monkeypatch):
    def raise_disk_full():
        raise OperationalError("no space left on device")

    monkeypatch.setattr(checks_module.metrics_store, "update_tallies", raise_disk_full)
    client.force_login(nadia)
    assert "Tout va bien" in client.get("/dashboard/state").content.decode()


def test_many_rejected_messages_are_reported_with_the_most_frequent_error(healthy, record_events):
    record_events("sends accepted ", 10)
    record_events("sends refused 63016", 5)
    record_events("sends refused 63003", 1)
    check = run_check("Envoi")
    assert (check.level, "refusé 6 messages" in check.sentence) == (Level.ATTENTION, True)
    assert "63016" in check.advice and "24 h" in check.advice


def test_one_configuration_error_is_a_danger_and_gives_advice(healthy, record_events):
    record_events("sends accepted ", 40, ago=20 * MINUTES)
    record_events("sends refused 63007", 1, ago=5 * MINUTES)
    check = run_check("Envoi")
    assert (check.level, check.link) == (Level.DANGER, "/dashboard/settings")
    assert "63007" in check.sentence and "TWILIO_WHATSAPP_NUMBER" in check.advice


def test_a_configuration_error_before_an_accepted_message_needs_attention_only(healthy, record_events):
    record_events("sends refused 63007", 1, ago=20 * MINUTES)
    record_events("sends accepted ", 1, ago=5 * MINUTES)
    assert run_check("Envoi").level == Level.ATTENTION


@pytest.mark.parametrize("code", CONFIGURATION_ERROR_ADVICE)
def test_every_configuration_error_gives_advice(healthy, record_events, code):
    record_events(f"sends refused {code}")
    check = run_check("Envoi")
    assert str(code) in check.sentence and check.advice


def test_missing_status_callbacks_are_reported(healthy, record_events):
    record_events("sends accepted ", 10, ago=30 * MINUTES)
    assert run_check("Confirmations de Twilio").level == Level.ATTENTION
    record_events("hooks /api/twilio/status 204", 1, ago=3 * MINUTES)
    assert "il y a 3 min" in run_check("Confirmations de Twilio").sentence


def test_a_failed_job_is_reported_by_its_task(healthy):
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into procrastinate_jobs (queue_name, task_name, status) values ('default', 'relais.try', 'failed') returning id"
        )
        job = cursor.fetchone()[0]
        cursor.execute(
            "insert into procrastinate_events (job_id, type, at) values (%s, 'failed', now())", [job]
        )
    assert (run_check("Tâches").level, "relais.try" in run_check("Tâches").advice) == (Level.ATTENTION, True)


# -- permissions -------------------------------------------------------------------------------------------


def test_agents_and_supervisors_see_neither_page_nor_alert_badge(healthy, awa, mariam, client):
    for person in (awa, mariam):
        client.force_login(person)
        assert client.get("/dashboard/state").status_code == 403
        assert client.get("/dashboard/state/light").status_code == 403
        assert "sidebar__alert" not in client.get("/dashboard").content.decode()


def test_the_alert_badge_is_on_every_page_of_an_admin(healthy, nadia, client, record_events):
    client.force_login(nadia)
    assert "data-red" not in client.get("/dashboard").content.decode()
    record_events(REJECTED_SIGNATURE)
    alert_badge.clear_cache()
    for path in ("/dashboard", "/dashboard/settings", "/dashboard/flows"):
        assert "data-red" in client.get(path).content.decode()
    assert "data-red" in client.get("/dashboard/state/light").content.decode()


def test_the_alert_badge_is_cached(healthy, nadia, client, django_assert_max_num_queries):
    client.force_login(nadia)
    client.get("/dashboard/state/light")
    with django_assert_max_num_queries(3):  # Session and user; no query of the checks.
        client.get("/dashboard/state/light")


def test_polling_returns_a_fragment_that_is_not_cached(healthy, nadia, client):
    client.force_login(nadia)
    fragment = client.get("/dashboard/state", headers={"HX-Request": "true"})
    assert fragment.content.decode().lstrip().startswith('<div id="state"')
    assert "no-store" in fragment.headers["Cache-Control"]


def test_polling_without_a_session_returns_401_instead_of_a_redirect(client, db):
    assert client.get("/dashboard/state", headers={"HX-Request": "true"}).status_code == 401
    assert client.get("/dashboard/state").status_code == 302


def test_the_stats_are_those_of_all_processes(healthy, nadia, client, record_events):
    record_events("hooks /api/twilio/message 200", 1234)
    record_events("sends accepted ", 56, ago=10 * MINUTES)
    client.force_login(nadia)
    page = client.get("/dashboard/state").content.decode()
    assert "<strong>1234</strong>" in page.replace(" ", "").replace(" ", "")
    assert "<strong>56</strong>" in page


def test_a_live_listener_that_is_down_needs_attention(healthy):
    live_metrics.LISTENING.set_function(lambda: 0.0)
    assert run_check("Direct").level == Level.ATTENTION
