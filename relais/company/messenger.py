"""What the settings page asks the room that talks to the messenger.

By a name in the settings and not by an import: that room knows this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

HOOKS = ("incoming", "menu-choice", "free-input", "agent-transfer", "complete")
RETRY = "#rc=3&rp=5xx,ct,rt"
"""Asks Twilio to call again after a failure, a connection or a read that timed out."""


class NotSent(Exception):
    """Why a test message did not leave, as a sentence for a person."""


def state() -> dict[str, Any]:
    """How the connection is doing: `connected sender base_url bot refused_signatures last_inbound_at …`."""
    return import_string(f"{settings.MESSENGER}.connection_status.summary")()


def verification(*, at: datetime) -> Any:
    """How reading the messenger's own log is doing: a `LogState`, or None when no account is connected."""
    return import_string(f"{settings.MESSENGER}.reconcile.schedule.state")(at=at)


def credentials() -> dict[str, bool]:
    """Which of the environment's secrets are set; never what they are."""
    environment = settings.ENVIRONMENT
    return {
        "TWILIO_ACCOUNT_SID": bool(environment.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": bool(environment.twilio_auth_token),
        "TWILIO_WHATSAPP_NUMBER": bool(environment.whatsapp_number),
        "TWILIO_AUTH_TOKEN_SECONDARY": bool(environment.twilio_auth_token_secondary),
        "STUDIO_WEBHOOK_SECRET": bool(environment.studio_webhook_secret),
    }


def addresses() -> dict[str, str]:
    """What to paste into Twilio's console."""
    hooks = settings.PUBLIC_BASE_URL + "/api/twilio/"
    return {"message": f"{hooks}message{RETRY}", "status": f"{hooks}status{RETRY}"}


def studio_addresses() -> list[str]:
    """For the HTTP widgets of a Studio flow; without the secret, which stands in the environment only."""
    return [f"{settings.PUBLIC_BASE_URL}/api/twilio/{name}" for name in HOOKS]


def send_test(to: str, text: str) -> str:
    """Send a message outside any conversation; gives its SID. Raises NotSent."""
    refused = import_string(f"{settings.MESSENGER}.client.TwilioRefused")
    try:
        return import_string(f"{settings.MESSENGER}.client.send_test")(to, text)
    except (refused, ValueError) as refusal:  # ValueError: the number is none
        raise NotSent(str(refusal)) from refusal
