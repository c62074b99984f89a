"""What can be set on the double, and what it starts with."""

from dataclasses import dataclass, field, fields
from typing import Any

DEMO_SENDER = "whatsapp:+14155238886"


class BadSetting(ValueError):
    """One sentence: which setting is wrong."""


@dataclass(kw_only=True)
class Settings:
    account_sid: str
    auth_token: str
    senders: dict[str, str | None] = field(default_factory=dict)
    """Each company number and the webhook its messages go to; None keeps them in Twilio's log only."""
    reach: dict[str, str] = field(default_factory=dict)
    """Where an address is really called, by its beginning: `http://localhost:8000` → `http://127.0.0.1:8000`.
    What is signed stays the address as configured."""
    seed: int | None = None
    """Makes the faults' choices repeatable."""

    sent_after_ms: int = 20
    delivered_after_ms: int = 40
    read_after_ms: int | None = None
    """None: a message is read when the phone shows it."""
    enforce_window: bool = True
    window_hours: float = 24.0
    lenient_window: bool = False
    """Whether a client the double never heard of may be written to: one started again has forgotten, the desk not."""
    inbound_in_order: bool = True
    """A client's next message is handed over only when the desk has answered the one before. Twilio promises
    no order; False sends them side by side."""
    retry_pause_ms: int = 100
    """Between two attempts of a webhook; Twilio does not say how long it waits."""
    media_fetch_ms: int = 5000
    lenient_media: bool = False
    """Whether a message goes out although its MediaUrl could not be fetched (Twilio: failed, 63019)."""
    day_granularity: bool = True
    """Whether the DateSent filters look at days only, as documented."""

    keep_messages: int = 50_000
    keep_media_bytes: int = 200_000_000

    def change(self, changes: dict[str, Any]) -> None:
        known = {each.name: each for each in fields(self)}
        for name, value in changes.items():
            if name not in known or name in ("account_sid", "auth_token", "seed"):
                raise BadSetting(f"“{name}” is not a setting of the double.")
            _check(name, getattr(self, name), value)
        for name, value in changes.items():
            setattr(self, name, value)

    def sender_of_only_number(self) -> str:
        """The company number clients write to when they do not say which."""
        return next(iter(self.senders), DEMO_SENDER)


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
        raise BadSetting(f"“{name}” cannot be {new!r}.")
