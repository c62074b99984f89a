"""The settings of the double and their defaults."""

from dataclasses import dataclass, field, fields
from typing import Any

from relais.demo_accounts import DEMO_NUMBER


class InvalidSetting(ValueError):
    """The message is a sentence: which setting is wrong."""


@dataclass(kw_only=True)
class DoubleSettings:
    account_sid: str
    auth_token: str
    senders: dict[str, str | None] = field(default_factory=dict)
    """Each company number and the webhook of its messages; None: they are only logged."""
    reach: dict[str, str] = field(default_factory=dict)
    """Rewrites of URL prefixes before a call: `http://localhost:8000` → `http://127.0.0.1:8000`. The signature is still
    made for the URL as configured."""
    seed: int | None = None
    """Makes the faults' random choices repeatable."""

    sent_after_ms: int = 20
    delivered_after_ms: int = 40
    read_after_ms: int | None = None
    """None: a message is read when the phone shows it."""
    enforce_window: bool = True
    window_hours: float = 24.0
    lenient_window: bool = False
    """Allow messages to clients the double does not know: it forgets them at a restart, the desk does not."""
    inbound_in_order: bool = True
    """A client's next message is posted only after the desk has answered the previous one. Twilio promises no order;
    False posts them concurrently."""
    retry_pause_ms: int = 100
    """Between two attempts of a webhook; Twilio does not document its own."""
    media_fetch_ms: int = 5000
    lenient_media: bool = False
    """Send a message although its MediaUrl cannot be fetched (Twilio: failed, 63019), unless it is one of `reach`."""
    lenient_content: bool = False
    """Accept a ContentSid the double does not know, without a text to show (Twilio: refused, 21655)."""
    day_granularity: bool = True
    """The DateSent filters compare days only, as documented."""

    keep_messages: int = 50_000
    keep_contents: int = 10_000
    keep_media_bytes: int = 200_000_000

    def change(self, changes: dict[str, Any]) -> None:
        known = {each.name: each for each in fields(self)}
        for name, value in changes.items():
            if name not in known or name in ("account_sid", "auth_token", "seed"):
                raise InvalidSetting(f"“{name}” is not a setting of the double.")
            _check(name, getattr(self, name), value)
        for name, value in changes.items():
            setattr(self, name, value)

    def default_sender(self) -> str:
        """The company number of clients' messages that name none."""
        return next(iter(self.senders), DEMO_NUMBER)


def _check(name: str, old: Any, new: Any) -> None:
    numbers = (int, float)
    if isinstance(old, bool):
        fits = isinstance(new, bool)
    elif isinstance(old, dict):
        fits = isinstance(new, dict)
    else:
        fits = isinstance(new, numbers) and not isinstance(new, bool) and new >= 0
        fits = fits or (name == "read_after_ms" and new is None)
    if not fits:
        raise InvalidSetting(f"“{name}” cannot be {new!r}.")
