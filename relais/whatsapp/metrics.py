"""Prometheus metrics of WhatsApp traffic: webhook requests, batches stored, messages sent through Twilio."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

DURATION_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SEND_BUCKETS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class MetricAlias(Collector):
    """Exposes a counter under a second name. It is counted once: the copy is made when Prometheus scrapes."""

    def __init__(self, name: str, counter: Counter) -> None:
        self.name, self.counter = name, counter
        REGISTRY.register(self)

    def describe(self) -> Iterator[Metric]:
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        for family in self.counter.collect():
            alias = Metric(self.name, family.documentation, family.type, family.unit)
            for sample in family.samples:
                suffix = sample.name.removeprefix(family.name)
                alias.samples.append(sample._replace(name=self.name + suffix))
            yield alias


HOOKS = Counter("relais_hooks", "Webhook requests by path and response status.", ["path", "status"])
HOOK_SECONDS = Histogram(
    "relais_hook_seconds",
    "From the first byte of a webhook request to its response.",
    ["path"],
    buckets=DURATION_BUCKETS_SECONDS,
)
SIGNATURES_REFUSED = Counter(
    "relais_signatures_refused", "Webhook requests rejected for their signature, secret or token.", ["path"]
)
HOOK_REFUSALS = Counter(
    "relais_hook_refusals",
    "Webhook requests rejected before they were handled: too many fields, no valid credentials (read or unread), too "
    "many wrong credentials, or too many signature checks queued.",
    ["path", "reason"],
)
BATCH_SIZE = Histogram(
    "relais_batch_messages",
    "Messages or statuses stored in one transaction.",
    ["kind"],
    buckets=BATCH_SIZE_BUCKETS,
)
BATCH_SECONDS = Histogram(
    "relais_batch_seconds", "Duration of that transaction.", ["kind"], buckets=DURATION_BUCKETS_SECONDS
)
SENDS = Counter(
    "relais_sends", "Calls to Twilio that send a message, by outcome and error code.", ["outcome", "code"]
)
SEND_SECONDS = Histogram("relais_send_seconds", "Duration of those calls.", buckets=SEND_BUCKETS_SECONDS)

TYPING_INDICATORS = Counter(
    "relais_typing_indicators",
    "Calls to Twilio that show a client that somebody writes, by outcome.",
    ["outcome"],
)

# The standard names. The old ones (above) stay for one release.
MetricAlias("relais_webhook_requests", HOOKS)
MetricAlias("relais_webhook_rejections", HOOK_REFUSALS)
MetricAlias("relais_messages_sent", SENDS)


def record_hook_response(path: str, status: int, seconds: float) -> None:
    _hooks(path, status).inc()
    _hook_seconds(path).observe(seconds)


def record_batch(kind: str, size: int, seconds: float) -> None:
    _batch_size(kind).observe(size)
    _batch_seconds(kind).observe(seconds)


def count_rejected_signature(path: str) -> None:
    SIGNATURES_REFUSED.labels(path).inc()


def count_rejected_call(path: str, reason: str) -> None:
    HOOK_REFUSALS.labels(path, reason).inc()


def record_send(outcome: str, code: int | None, seconds: float) -> None:
    """`outcome`: accepted, refused (by Twilio), later (retried, since it was not sent) or unknown."""
    SENDS.labels(outcome, str(code or "")).inc()
    SEND_SECONDS.observe(seconds)


def count_typing_indicator(outcome: str) -> None:
    """`outcome`: shown or failed."""
    TYPING_INDICATORS.labels(outcome).inc()


# Cached: looking up the labels costs more than counting.
@cache
def _hooks(path: str, status: int) -> Counter:
    return HOOKS.labels(path, str(status))


@cache
def _hook_seconds(path: str) -> Histogram:
    return HOOK_SECONDS.labels(path)


@cache
def _batch_size(kind: str) -> Histogram:
    return BATCH_SIZE.labels(kind)


@cache
def _batch_seconds(kind: str) -> Histogram:
    return BATCH_SECONDS.labels(kind)
