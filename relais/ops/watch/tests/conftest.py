import pytest
from django.utils import timezone

from relais.live import metrics
from relais.ops import health
from relais.ops.watch.alert_badge import light
from relais.ops.watch.metrics_store import keeper
from relais.ops.watch.models import Tally


@pytest.fixture(autouse=True)
def nothing_happened_yet(db):
    """What earlier tests of this process counted is not ours."""
    keeper.add_up()
    Tally.objects.all().delete()
    light.forget()
    metrics.LISTENING.set_function(lambda: 1.0)  # It may be that of an application that has ended.


@pytest.fixture
def well(nothing_happened_yet):
    """Jobs and the sender show life."""
    health.record_heartbeat("jobs")
    health.record_heartbeat("sender")


@pytest.fixture
def happened(db):
    """So many times, so long ago."""

    def tally(name, count=1, *, ago=None):
        at = timezone.now() - ago if ago else timezone.now()
        Tally.objects.create(name=name, minute=at.replace(second=0, microsecond=0), count=count, last_at=at)

    return tally
