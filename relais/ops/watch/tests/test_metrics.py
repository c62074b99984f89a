"""The metrics that Prometheus reads, and who may read them."""

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
from relais.ops.watch import metrics_endpoint
from relais.ops.watch import metrics_store as metrics_store_module
from relais.ops.watch.metrics_endpoint import exposition_text
from relais.ops.watch.metrics_store import MetricsStore
from relais.ops.watch.models import Snapshot, Tally
from relais.process_identity import process_identity
from relais.whatsapp import metrics
from relais.whatsapp.models import LogReconciliation
from tests.cast import OUR_NUMBER
from tests.web_server import WebServer

pytestmark = pytest.mark.django_db


def samples(text):
    """Values by name and sorted label values."""
    return {
        (
            sample.name,
            *sorted(value for label, value in sample.labels.items() if label != "worker"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read_metrics():
    return samples(exposition_text().decode())


def test_outbox_metrics_contain_the_age_of_the_oldest_message(held_by_awa, awa, clock):
    MessageDelivery.objects.all().delete()
    assert read_metrics()["relais_outbox_messages",] == 0
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    MessageDelivery.objects.update(created_at=timezone.now() - timedelta(seconds=90))
    values = read_metrics()
    assert values["relais_outbox_messages",] == 1
    assert 89 < values["relais_outbox_oldest_seconds",] < 100


def test_an_incomplete_reconciliation_exports_no_number_of_missing_messages(db):
    account = settings.ENVIRONMENT.twilio_account_sid
    reading = LogReconciliation.get_or_create_for(OUR_NUMBER, account=account, since=timezone.now())
    LogReconciliation.objects.filter(pk=reading.pk).update(last_ok_at=timezone.now())
    values = read_metrics()
    assert (values["relais_reconciliation_complete",], values["relais_reconciliation_missing",]) == (1, 0)
    LogReconciliation.objects.filter(pk=reading.pk).update(last_error="Twilio ne répond pas.")
    values = read_metrics()
    assert values["relais_reconciliation_complete",] == 0
    assert ("relais_reconciliation_missing",) not in values


def test_database_and_disk_metrics_are_exported(db):
    values = read_metrics()
    assert values["relais_database_up",] == 1
    assert 0 < values["relais_database_connections",] <= values["relais_database_connections_max",]
    assert values["relais_disk_free_bytes",] > 0
    assert ("relais_pool_connections", "django", "open", "web") in values


def test_job_progress_is_exported(db):
    health.record_heartbeat("jobs", uptime_seconds=4000)
    health.record_completions({f"task {task}": 1.0 for task in periodic_intervals()})
    health.record_completions({"task relais.flows.tasks.wake_bots": 45.0})
    values = read_metrics()
    assert 45 <= values["relais_periodic_job_age_seconds", "relais.flows.tasks.wake_bots"] < 200
    assert values["relais_periodic_job_overdue", "relais.flows.tasks.wake_bots"] == 1
    assert values["relais_periodic_job_overdue", "relais.whatsapp.tasks.look_at_log"] == 0


def test_metrics_of_other_processes_are_merged_with_our_own(db):
    metrics.record_hook_response("/api/twilio/status", 204, 0.002)
    text_of_others = '# TYPE relais_sends counter\nrelais_sends_total{outcome="accepted",code=""} 7.0\n'
    Snapshot.objects.create(process="other:1", kind="jobs", text=text_of_others, at=timezone.now())
    Snapshot.objects.create(
        process="ended:1", kind="jobs", text=text_of_others, at=timezone.now() - timedelta(minutes=1)
    )
    text = exposition_text().decode()
    assert text.count('relais_sends_total{code="",outcome="accepted",process="jobs"') == 1
    assert 'worker="other:1"' in text and "ended:1" not in text
    assert samples(text)["relais_hooks_total", "/api/twilio/status", "204", "web"] >= 1
    assert text.count("# TYPE relais_sends_total counter") == 1


def test_a_process_stores_its_snapshot_and_tallies_each_event_once(db):
    metrics_store = MetricsStore()
    metrics_store.update_tallies()
    Tally.objects.all().delete()
    metrics.count_rejected_signature("/api/twilio/message")
    metrics.count_rejected_signature("/api/twilio/message")
    metrics_store.update_tallies()
    metrics_store.update_tallies()
    [tally] = Tally.objects.all()
    assert (tally.name, tally.count) == ("signatures_refused /api/twilio/message", 2)
    metrics_store.store_snapshot("web", "here:1")
    metrics_store.store_snapshot("web", "here:1")
    assert "relais_signatures_refused_total" in Snapshot.objects.get(process="here:1").text


def test_metrics_are_stored_while_the_process_runs(db, monkeypatch):
    stored = threading.Event()
    snapshots = []

    class RecordingStore(MetricsStore):
        def update_tallies(self):
            pass

        def store_snapshot(self, kind, process):
            snapshots.append((kind, process))
            stored.set()

        def delete_expired(self):
            pass

    monkeypatch.setattr(metrics_store_module, "STORE_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(metrics_store_module, "metrics_store", RecordingStore())
    with metrics_store_module.storing_metrics("jobs"):
        assert stored.wait(30)
    assert snapshots[0] == ("jobs", process_identity())


def test_old_tallies_are_deleted(db):
    Tally.objects.create(
        name="x",
        minute=timezone.now() - timedelta(days=3),
        count=1,
        last_at=timezone.now() - timedelta(days=3),
    )
    MetricsStore().delete_expired()
    assert not Tally.objects.filter(name="x").exists()


def test_without_a_database_the_metrics_of_this_process_are_exported(db, monkeypatch):
    def unreachable(*args):
        from django.db import OperationalError

        raise OperationalError

    monkeypatch.setattr("relais.ops.watch.metrics_endpoint.database_metrics", unreachable)
    values = read_metrics()
    assert values["relais_database_up",] == 0
    assert (
        any(name[0] == "relais_hooks_total" for name in values) and ("relais_outbox_messages",) not in values
    )


@pytest.fixture
def server(transactional_db):
    with WebServer() as server:
        yield server


def scrape(server, **headers):
    return requests.get(f"http://127.0.0.1:{server.port}/metrics", headers=headers, timeout=30)


@pytest.mark.django_db(transaction=True)
def test_a_program_on_this_machine_may_scrape_without_a_token(server):
    response = scrape(server)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert samples(response.text)["relais_live_listening", "web"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "proxy_header",
    [
        {"Host": "relais.example.com"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_a_request_through_a_proxy_needs_a_token(server, proxy_header):
    response = scrape(server, **proxy_header)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="Relais"')
    assert "relais_" not in response.text
    assert scrape(server, **proxy_header, Authorization="Bearer relais_wrong").status_code == 401
    _, token = ApiToken.create("Prometheus")
    assert scrape(server, **proxy_header, Authorization=f"Bearer {token}").status_code == 200
    assert ApiToken.objects.get().last_used_at is not None
    ApiToken.objects.get().revoke(at=timezone.now())
    response = scrape(server, **proxy_header, Authorization=f"Bearer {token}")
    assert (response.status_code, "revoked" in response.text) == (401, True)


@pytest.mark.django_db(transaction=True)
def test_the_statement_timeout_is_reset_before_the_connection_returns_to_the_pool(server):
    assert scrape(server).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone()[0] == "0"


@pytest.mark.django_db(transaction=True)
def test_a_hanging_database_delays_no_scrape_beyond_the_timeout(server, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(metrics_endpoint, "COLLECT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(metrics_endpoint, "database_metrics", lambda: released.wait(10) and ())
    try:
        for _ in range(2):
            response = scrape(server)
            assert response.elapsed.total_seconds() < 5
            assert samples(response.text)["relais_database_up",] == 0
            assert ("relais_live_listening", "web") in samples(response.text)
    finally:
        released.set()


def test_renamed_counters_are_exposed_under_both_names(db):
    metrics.record_hook_response("/api/twilio/status", 204, 0.002)
    values = samples(exposition_text().decode())
    for old, new in (("hooks", "webhook_requests"), ("sends", "messages_sent")):
        counts = {name[1:]: value for name, value in values.items() if name[0] == f"relais_{old}_total"}
        aliases = {name[1:]: value for name, value in values.items() if name[0] == f"relais_{new}_total"}
        assert aliases == counts
    assert values["relais_webhook_requests_total", "/api/twilio/status", "204", "web"] >= 1
