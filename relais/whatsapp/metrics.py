"""What is counted at the door: calls of our hooks, batches stored, messages handed to Twilio."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Histogram

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

HOOKS = Counter("relais_hooks", "Calls of our hooks by path and status of the answer.", ["path", "status"])
HOOK_SECONDS = Histogram(
    "relais_hook_seconds", "From the first byte of a call to its answer.", ["path"], buckets=QUICK
)
SIGNATURES_REFUSED = Counter(
    "relais_signatures_refused", "Calls refused since nobody we know signed them.", ["path"]
)
CALLS_REFUSED = Counter(
    "relais_hook_refusals",
    "Calls of hooks refused for what they are: too many fields, no credentials (read or unread), too many guesses, or "
    "too many signatures to check.",
    ["path", "reason"],
)
BATCH_SIZE = Histogram(
    "relais_batch_messages", "Messages or statuses stored in one transaction.", ["kind"], buckets=SIZES
)
BATCH_SECONDS = Histogram("relais_batch_seconds", "How long that transaction took.", ["kind"], buckets=QUICK)
SENDS = Counter(
    "relais_sends", "Calls to Twilio that send a message, by what became of them.", ["outcome", "code"]
)
SEND_SECONDS = Histogram(
    "relais_send_seconds",
    "How long those calls took.",
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8),
)


def hook_answered(path: str, status: int, seconds: float) -> None:
    _hooks(path, status).inc()
    _hook_seconds(path).observe(seconds)


def batch_stored(kind: str, size: int, seconds: float) -> None:
    _batch_size(kind).observe(size)
    _batch_seconds(kind).observe(seconds)


def signature_refused(path: str) -> None:
    SIGNATURES_REFUSED.labels(path).inc()


def call_refused(path: str, reason: str) -> None:
    CALLS_REFUSED.labels(path, reason).inc()


def sent(outcome: str, code: int | None, seconds: float) -> None:
    """`outcome`: accepted, refused (by Twilio), later (it did not leave) or unknown."""
    SENDS.labels(outcome, str(code or "")).inc()
    SEND_SECONDS.observe(seconds)


# Bound once: a lookup by labels costs more than the count.
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
