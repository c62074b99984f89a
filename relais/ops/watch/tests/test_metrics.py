"""What Prometheus is told, and who may ask."""

import threading
from datetime import timedelta

import pytest
import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from relais.accounts.models import ApiToken
from relais.conversations.models import MessageDelivery
from relais.ops import health
from relais.ops.job_progress import periodic_intervals
from relais.ops.watch import exposition
from relais.ops.watch.exposition import exposed
from relais.ops.watch.metrics_store import Keeper, Place
from relais.ops.watch.models import Snapshot, Tally
from relais.whatsapp import metrics
from relais.whatsapp.models import LogReconciliation
from tests.cast import OUR_NUMBER
from tests.web_server import WebServer

pytestmark = pytest.mark.django_db


def samples(text):
    """By name, and by name and labels as a set."""
    return {
        (
            sample.name,
            *sorted(value for label, value in sample.labels.items() if label != "worker"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told():
    return samples(exposed().decode())


def test_the_outbox_is_told_with_its_age(held_by_awa, awa, clock):
    MessageDelivery.objects.all().delete()
    assert told()["relais_outbox_messages",] == 0
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    MessageDelivery.objects.update(created_at=timezone.now() - timedelta(seconds=90))
    now = told()
    assert now["relais_outbox_messages",] == 1
    assert 89 < now["relais_outbox_oldest_seconds",] < 100


def test_of_a_log_that_was_not_read_to_its_end_no_number_of_missing_messages_is_told(db):
    account = settings.ENVIRONMENT.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(OUR_NUMBER, account=account, since=timezone.now())
    LogReconciliation.objects.filter(pk=reading.pk).update(last_ok_at=timezone.now())
    now = told()
    assert (now["relais_reconciliation_complete",], now["relais_reconciliation_missing",]) == (1, 0)
    LogReconciliation.objects.filter(pk=reading.pk).update(last_error="Twilio ne répond pas.")
    now = told()
    assert now["relais_reconciliation_complete",] == 0
    assert ("relais_reconciliation_missing",) not in now


def test_the_database_and_the_machine_are_told(db):
    now = told()
    assert now["relais_database_up",] == 1
    assert 0 < now["relais_database_connections",] <= now["relais_database_connections_max",]
    assert now["relais_disk_free_bytes",] > 0
    assert ("relais_pool_connections", "django", "open", "web") in now


def test_what_jobs_completed_is_told(db):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    health.record_completions({"task relais.flows.tasks.wake_bots": 45.0})
    now = told()
    assert 45 <= now["relais_periodic_job_age_seconds", "relais.flows.tasks.wake_bots"] < 200
    assert now["relais_periodic_job_overdue", "relais.flows.tasks.wake_bots"] == 1
    assert now["relais_periodic_job_overdue", "relais.whatsapp.tasks.look_at_log"] == 0


def test_what_other_processes_counted_is_told_beside_our_own(db):
    metrics.record_hook_response("/api/twilio/status", 204, 0.002)
    theirs = '# TYPE relais_sends counter\nrelais_sends_total{outcome="accepted",code=""} 7.0\n'
    Snapshot.objects.create(process="elsewhere:1", kind="jobs", text=theirs, at=timezone.now())
    Snapshot.objects.create(
        process="gone:1", kind="jobs", text=theirs, at=timezone.now() - timedelta(minutes=1)
    )
    text = exposed().decode()
    assert text.count('relais_sends_total{code="",outcome="accepted",process="jobs"') == 1
    assert 'worker="elsewhere:1"' in text and "gone:1" not in text
    assert samples(text)["relais_hooks_total", "/api/twilio/status", "204", "web"] >= 1
    assert text.count("# TYPE relais_sends_total counter") == 1


def test_a_process_leaves_what_it_counted_and_adds_it_up_once(db):
    keeper = Keeper()
    keeper.add_up()
    Tally.objects.all().delete()
    metrics.count_rejected_signature("/api/twilio/message")
    metrics.count_rejected_signature("/api/twilio/message")
    keeper.add_up()
    keeper.add_up()
    [tally] = Tally.objects.all()
    assert (tally.name, tally.count) == ("signatures_refused /api/twilio/message", 2)
    keeper.leave(Place("web", "here:1"))
    keeper.leave(Place("web", "here:1"))
    assert "relais_signatures_refused_total" in Snapshot.objects.get(process="here:1").text


def test_old_tallies_are_forgotten(db):
    Tally.objects.create(
        name="x",
        minute=timezone.now() - timedelta(days=3),
        count=1,
        last_at=timezone.now() - timedelta(days=3),
    )
    Keeper().forget()
    assert not Tally.objects.filter(name="x").exists()


def test_without_a_database_what_this_process_counted_is_told_all_the_same(db, monkeypatch):
    def gone(*args):
        from django.db import OperationalError

        raise OperationalError

    monkeypatch.setattr("relais.ops.watch.exposition.of_the_database", gone)
    now = told()
    assert now["relais_database_up",] == 0
    assert any(name[0] == "relais_hooks_total" for name in now) and ("relais_outbox_messages",) not in now


@pytest.fixture
def desk(transactional_db):
    with WebServer() as desk:
        yield desk


def ask(desk, **headers):
    return requests.get(f"http://127.0.0.1:{desk.port}/metrics", headers=headers, timeout=10)


@pytest.mark.django_db(transaction=True)
def test_a_program_on_this_machine_may_ask(desk):
    answer = ask(desk)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert samples(answer.text)["relais_live_listening", "web"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "trace",
    [
        {"Host": "relais.example.com"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_who_comes_through_a_proxy_needs_a_token(desk, trace):
    refused = ask(desk, **trace)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="Relais"')
    assert "relais_" not in refused.text
    assert ask(desk, **trace, Authorization="Bearer relais_wrong").status_code == 401
    _, token = ApiToken.create("Prometheus")
    assert ask(desk, **trace, Authorization=f"Bearer {token}").status_code == 200
    assert ApiToken.objects.get().last_used_at is not None
    ApiToken.objects.get().revoke(at=timezone.now())
    refused = ask(desk, **trace, Authorization=f"Bearer {token}")
    assert (refused.status_code, "revoked" in refused.text) == (401, True)


@pytest.mark.django_db(transaction=True)
def test_a_connection_of_the_pool_keeps_its_own_patience(desk):
    assert ask(desk).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone()[0] == "0"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_keeps_nobody_waiting(desk, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(exposition, "LONGEST", 0.1)
    monkeypatch.setattr(exposition, "of_the_database", lambda: over.wait(10) and ())
    try:
        for _ in range(2):
            answer = ask(desk)
            assert answer.elapsed.total_seconds() < 5
            assert samples(answer.text)["relais_database_up",] == 0
            assert ("relais_live_listening", "web") in samples(answer.text)
    finally:
        over.set()


def test_renamed_counters_are_exposed_under_both_names(db):
    metrics.record_hook_response("/api/twilio/status", 204, 0.002)
    now = samples(exposed().decode())
    for old, new in (("hooks", "webhook_requests"), ("sends", "messages_sent")):
        counts = {name[1:]: value for name, value in now.items() if name[0] == f"relais_{old}_total"}
        aliases = {name[1:]: value for name, value in now.items() if name[0] == f"relais_{new}_total"}
        assert aliases == counts
    assert now["relais_webhook_requests_total", "/api/twilio/status", "204", "web"] >= 1
