"""What the fragment of a webhook's address tells Twilio: time limits, how often to try again and after what."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urldefrag

POLICIES = ("4xx", "5xx", "ct", "rt")


@dataclass(frozen=True)
class Overrides:
    """Times in milliseconds, with Twilio's defaults."""

    connect: int = 5000
    read: int = 15000
    total: int = 15000
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})

    def retry_after(self, failure: str) -> bool:
        return failure in self.policy


def split(url: str) -> tuple[str, Overrides]:
    """The address to call, which is also what is signed, and what its fragment asked for."""
    address, fragment = urldefrag(url)
    asked = dict(parse_qsl(fragment))
    policy = {part.strip() for part in asked.get("rp", "ct").split(",")}
    return address, Overrides(
        connect=_within(asked, "ct", 5000, 100, 10000),
        read=_within(asked, "rt", 15000, 100, 15000),
        total=_within(asked, "tt", 15000, 100, 15000),
        retries=_within(asked, "rc", 1, 0, 5),
        policy=frozenset(POLICIES if "all" in policy else policy & set(POLICIES)),
    )


def _within(asked: dict[str, str], key: str, default: int, least: int, most: int) -> int:
    text = asked.get(key, "")
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() else default
