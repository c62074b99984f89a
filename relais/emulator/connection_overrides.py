"""Twilio's connection overrides in the fragment of a webhook URL: timeouts, retry count and retry policy."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urldefrag

RETRY_POLICIES = ("4xx", "5xx", "ct", "rt")


@dataclass(frozen=True)
class ConnectionOverrides:
    """With Twilio's defaults."""

    connect_ms: int = 5000
    read_ms: int = 15000
    total_ms: int = 15000
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})

    def retries_after(self, failure: str) -> bool:
        return failure in self.policy


def parse_url(url: str) -> tuple[str, ConnectionOverrides]:
    """The URL to call, which is also the one to sign, and the overrides in its fragment."""
    base_url, fragment = urldefrag(url)
    values = dict(parse_qsl(fragment))
    policy = {part.strip() for part in values.get("rp", "ct").split(",")}
    return base_url, ConnectionOverrides(
        connect_ms=_bounded(values, "ct", 5000, 100, 10000),
        read_ms=_bounded(values, "rt", 15000, 100, 15000),
        total_ms=_bounded(values, "tt", 15000, 100, 15000),
        retries=_bounded(values, "rc", 1, 0, 5),
        policy=frozenset(RETRY_POLICIES if "all" in policy else policy & set(RETRY_POLICIES)),
    )


def _bounded(values: dict[str, str], key: str, default: int, least: int, most: int) -> int:
    text = values.get(key, "")
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() else default
