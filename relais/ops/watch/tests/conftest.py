import pytest
from django.utils import timezone

from relais.live import metrics
from relais.ops import health
from relais.ops.watch.alert_badge import alert_badge
from relais.ops.watch.metrics_store import metrics_store
from relais.ops.watch.models import Tally


@pytest.fixture(autouse=True)
def no_events(db):
    """Drop what earlier tests of this process counted."""
    metrics_store.update_tallies()
    Tally.objects.all().delete()
    alert_badge.clear_cache()
    metrics.LISTENING.set_function(lambda: 1.0)  # The gauge may be of an application that has ended.


@pytest.fixture
def healthy(no_events):
    """Jobs and sender have fresh heartbeats."""
    health.record_heartbeat("jobs")
    health.record_heartbeat("sender")


@pytest.fixture
def record_events(db):
    """Record `count` events that occurred `ago`."""

    def record(name, count=1, *, ago=None):
        at = timezone.now() - ago if ago else timezone.now()
        Tally.objects.create(name=name, minute=at.replace(second=0, microsecond=0), count=count, last_at=at)

    return record
