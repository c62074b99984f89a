"""`/metrics` in the text format of Prometheus: the counters of all processes, and gauges read from the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from relais.accounts.bearer import bearer_token
from relais.accounts.models import ApiToken, TokenRefused
from relais.db_connection import release_connection
from relais.ops.watch.database_gauges import database_metrics, disk_metrics
from relais.ops.watch.metrics_store import SNAPSHOT_STALE_AFTER_SECONDS
from relais.process_identity import process_identity

LOOPBACK = ("127.0.0.1", "::1")
LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.IGNORECASE)
PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
STATEMENT_TIMEOUT_MS = 2_000
COLLECT_TIMEOUT_SECONDS = 3.0
"""For all database work of one request."""
Result = TypeVar("Result")
SELECT_OTHER_SNAPSHOTS = """
select process, kind, text from watch_snapshots where process <> %s and at > now() - make_interval(secs => %s)
"""
_threads = CapacityLimiter(1)
"""One request at a time uses the database: frequent scrapes must not take the connections that pages need."""


async def metrics(request: Request) -> Response:
    try:
        if not is_local(request) and not await _run_within_timeout(_has_valid_token, request):
            return _unauthorized("Ask with the header “Authorization: Bearer TOKEN”")
    except TokenRefused as refused:
        return _unauthorized(f"This token is {refused.state}")
    text = await _run_within_timeout(_collect_text) or _as_text(MetricsCollector(with_database=False))
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"})


def _unauthorized(reason: str) -> Response:
    sentence = f"{reason}; `relais token create` makes one."
    return PlainTextResponse(sentence, 401, {"WWW-Authenticate": 'Bearer realm="Relais"'})


async def _run_within_timeout(function: Callable[..., Result], *args: Any) -> Result | None:
    """Run in a thread; return None, and abandon the thread, when the database hangs for longer than the timeout."""
    with move_on_after(COLLECT_TIMEOUT_SECONDS):
        return await to_thread.run_sync(function, *args, limiter=_threads, abandon_on_cancel=True)
    return None


def is_local(request: Request) -> bool:
    """Whether a program on this machine sent it. Behind a proxy each request comes from loopback: look at the headers
    that a proxy adds."""
    headers = request.headers
    return (
        request.client is not None
        and request.client.host in LOOPBACK
        and LOOPBACK_HOST.fullmatch(headers.get("host", "")) is not None
        and not any(name in headers for name in PROXY_HEADERS)
    )


def _has_valid_token(request: Request) -> bool:
    token = bearer_token(request.headers.get("authorization", ""))
    at = timezone.now()
    try:
        api_token = ApiToken.authenticate(token, at=at)
        if api_token:
            api_token.record_use(at=at)
        return api_token is not None
    except (DatabaseError, InterfaceError):
        return False
    finally:
        release_connection()


def _collect_text() -> bytes:
    try:
        return exposition_text()
    finally:
        release_connection()


def exposition_text() -> bytes:
    return _as_text(MetricsCollector())


def _as_text(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


class MetricsCollector(Collector):
    """`with_database`: read also the database, which holds the metrics of the other processes."""

    def __init__(self, *, with_database: bool = True) -> None:
        self.with_database = with_database

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        own_process = process_identity()
        _merge_families(families, REGISTRY.collect(), process="web", worker=own_process)
        is_up, from_database = self.with_database, list[Metric]()
        try:
            if self.with_database:
                from_database = list(self._collect_from_database(families, own_process))
        except (DatabaseError, InterfaceError):
            is_up, from_database = False, []
        finally:
            if self.with_database:
                _reset_statement_timeout()
        yield GaugeMetricFamily("relais_database_up", "1 while the database answers.", value=float(is_up))
        yield from from_database
        yield from disk_metrics()
        yield from families.values()

    def _collect_from_database(self, families: dict[str, Metric], own_process: str) -> Iterator[Metric]:
        with connection.cursor() as cursor:
            cursor.execute(f"set statement_timeout = {STATEMENT_TIMEOUT_MS}")
            cursor.execute(SELECT_OTHER_SNAPSHOTS, [own_process, SNAPSHOT_STALE_AFTER_SECONDS])
            for process, kind, text in cursor.fetchall():
                _merge_families(families, text_string_to_metric_families(text), process=kind, worker=process)
        yield from database_metrics()


def _reset_statement_timeout() -> None:
    """The connection goes back to the pool: the next user must not inherit our timeout."""
    try:
        if connection.connection is not None and not connection.in_atomic_block:
            connection.cursor().execute("reset statement_timeout")
    except (DatabaseError, InterfaceError):
        pass


def _merge_families(families: dict[str, Metric], added: Iterable[Metric], **labels: str) -> None:
    """Merge families of the same name from several processes; the labels tell their samples apart."""
    for family in added:
        merged = families.setdefault(
            family.name, Metric(family.name, family.documentation, family.type, family.unit)
        )
        for sample in family.samples:
            merged.samples.append(sample._replace(labels={**sample.labels, **labels}))


routes = [Route("/metrics", metrics)]
