"""`/metrics`: what all processes counted, and what the database knows, in the text format of Prometheus."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relais.accounts.bearer import bearer_token
from relais.accounts.models import ApiToken, TokenRefused
from relais.db_connection import release_connection
from relais.ops.job_progress import JobProgress, periodic_intervals
from relais.ops.watch import queries
from relais.ops.watch.metrics_store import FRESH
from relais.process_identity import process_identity
from relais.whatsapp.reconcile.status import reconciliation_status

LOOPBACK = ("127.0.0.1", "::1")
LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.IGNORECASE)
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
PATIENCE, LONGEST = "2s", 3.0
"""What one question may take, and all of them together."""
Answer = TypeVar("Answer")
OTHERS = """
select process, kind, text from watch_snapshots where process <> %s and at > now() - make_interval(secs => %s)
"""
_threads = CapacityLimiter(1)
"""One at a time: who asks in a hurry must not take the pages' connections."""


async def metrics(request: Request) -> Response:
    try:
        if not is_from_here(request) and not await _in_time(_knows_a_token, request):
            return _unauthorized("Ask with the header “Authorization: Bearer TOKEN”")
    except TokenRefused as refused:
        return _unauthorized(f"This token is {refused.state}")
    text = await _in_time(_all_that_is_known) or _text(Everything(asks=False))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"})


def _unauthorized(why: str) -> Response:
    sentence = f"{why}; `relais token create` makes one."
    return PlainTextResponse(sentence, 401, {"WWW-Authenticate": 'Bearer realm="Relais"'})


async def _in_time(ask: Callable[..., Answer], *args: Any) -> Answer | None:
    """What the database has to say; None when it hangs, which nobody waits for."""
    with move_on_after(LONGEST):
        return await to_thread.run_sync(ask, *args, limiter=_threads, abandon_on_cancel=True)
    return None


def is_from_here(request: Request) -> bool:
    """Asked by a program on this machine itself. Through a proxy everybody comes from here: it leaves its traces."""
    headers = request.headers
    return (
        request.client is not None
        and request.client.host in LOOPBACK
        and LOOPBACK_HOST.fullmatch(headers.get("host", "")) is not None
        and not any(name in headers for name in FORWARDED)
    )


def _knows_a_token(request: Request) -> bool:
    token = bearer_token(request.headers.get("authorization", ""))
    at = timezone.now()
    try:
        known = ApiToken.authenticate(token, at=at)
        if known:
            known.record_use(at=at)
        return known is not None
    except (DatabaseError, InterfaceError):
        return False
    finally:
        release_connection()


def _all_that_is_known() -> bytes:
    try:
        return exposed()
    finally:
        release_connection()


def exposed() -> bytes:
    return _text(Everything())


def _text(everything: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(everything)
    return generate_latest(registry)


class Everything(Collector):
    """`asks`: also the database, and by it the other processes."""

    def __init__(self, *, asks: bool = True) -> None:
        self.asks = asks

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        own = process_identity()
        _add(families, REGISTRY.collect(), process="web", worker=own)
        up, known = self.asks, list[Metric]()
        try:
            if self.asks:
                known = list(self._of_all(families, own))
        except (DatabaseError, InterfaceError):
            up, known = False, []
        finally:
            if self.asks:
                _forgive()
        yield GaugeMetricFamily("relais_database_up", "1 while the database answers.", value=float(up))
        yield from known
        yield from of_the_machine()
        yield from families.values()

    def _of_all(self, families: dict[str, Metric], own: str) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            cursor.execute(f"set statement_timeout = '{PATIENCE}'")
            cursor.execute(OTHERS, [own, FRESH])
            for process, kind, text in cursor.fetchall():
                _add(families, text_string_to_metric_families(text), process=kind, worker=process)
        yield from of_the_database()


def _forgive() -> None:
    """A connection of the pool must not keep our short patience."""
    try:
        if connection.connection is not None and not connection.in_atomic_block:
            connection.cursor().execute("reset statement_timeout")
    except (DatabaseError, InterfaceError):
        pass


def _add(families: dict[str, Metric], more: object, **labels: str) -> None:
    """Families of the same name from several processes become one, whose samples say whose they are."""
    for family in more:  # type: ignore[attr-defined]
        kept = families.setdefault(
            family.name, Metric(family.name, family.documentation, family.type, family.unit)
        )
        for sample in family.samples:
            kept.samples.append(sample._replace(labels={**sample.labels, **labels}))


def of_the_database() -> Iterator[Metric]:
    now = timezone.now()
    outbox = queries.outbox()
    age = (now - outbox.oldest_at).total_seconds() if outbox.oldest_at else 0.0
    yield GaugeMetricFamily("relais_outbox_messages", "Messages that wait to be sent.", value=outbox.waiting)
    yield GaugeMetricFamily("relais_outbox_oldest_seconds", "Age of the oldest of them.", value=max(0.0, age))
    yield GaugeMetricFamily(
        "relais_outbox_uncertain_messages", "Messages nobody knows the fate of.", value=outbox.uncertain
    )
    beats = GaugeMetricFamily("relais_heartbeat_age_seconds", "Since the last sign of life.", labels=["duty"])
    for duty, at in queries.beats().items():
        beats.add_metric([duty], (now - at).total_seconds())
    yield beats
    jobs = GaugeMetricFamily(
        "relais_jobs", "Jobs that are due, at work, or failed for good.", labels=["task", "state"]
    )
    for task, counts in queries.jobs().items():
        for state in ("waiting", "doing", "failed"):
            jobs.add_metric([task, state], getattr(counts, state))
    yield jobs
    yield from of_progress(queries.progress())
    yield from of_the_comparison(now)
    open_now, most, _ = queries.connections()
    yield GaugeMetricFamily("relais_database_connections", "Connections open on the server.", value=open_now)
    yield GaugeMetricFamily("relais_database_connections_max", "How many may be.", value=most)


def of_progress(progress: JobProgress) -> Iterator[Metric]:
    intervals = periodic_intervals()
    ages = GaugeMetricFamily(
        "relais_periodic_job_age_seconds", "Since a periodic job last succeeded.", labels=["task"]
    )
    overdue = GaugeMetricFamily(
        "relais_periodic_job_overdue", "1 when it has not for three intervals.", labels=["task"]
    )
    for task in intervals:
        if (age := progress.completed.get(f"task {task}")) is not None:
            ages.add_metric([task], age)
        overdue.add_metric([task], float(task in progress.overdue(intervals)))
    oldest = GaugeMetricFamily(
        "relais_queue_oldest_ready_seconds", "Wait of the oldest job that could run.", labels=["queue"]
    )
    for queue, age in progress.ready.items():
        oldest.add_metric([queue], age)
    yield from (ages, overdue, oldest)


def of_the_comparison(now: datetime) -> Iterator[Metric]:
    """Twilio's own log of messages, against what stands here."""
    told = reconciliation_status(at=now)
    if told is None:
        return
    if told.last_ok_at:
        age = (now - told.last_ok_at).total_seconds()
        yield GaugeMetricFamily(
            "relais_reconciliation_age_seconds", "Since the log was last compared.", value=age
        )
    yield GaugeMetricFamily(
        "relais_reconciliation_complete",
        "Whether the last looks read the log to the end.",
        value=int(told.is_complete),
    )
    if told.is_complete:
        # Of a part of the log, a zero would say what nobody knows.
        yield GaugeMetricFamily(
            "relais_reconciliation_missing", "Messages that were missing then.", value=told.missing
        )
    healed = CounterMetricFamily("relais_reconciliation_healed", "What was made good.", labels=["what"])
    for what in ("recovered", "statuses", "overheard"):
        healed.add_metric([what], getattr(told, what))
    yield healed


def of_the_machine() -> Iterator[Metric]:
    folder = settings.ENVIRONMENT.data_dir
    disk = shutil.disk_usage(folder if folder.exists() else folder.parent)
    yield GaugeMetricFamily("relais_disk_free_bytes", "Free for the data folder.", value=disk.free)
    yield GaugeMetricFamily("relais_disk_bytes", "All there is for it.", value=disk.total)


routes = [Route("/metrics", metrics)]
