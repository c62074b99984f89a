"""What the settings page asks the room that talks to the messenger.

By a name in the settings and not by an import: that room knows this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

STUDIO_HOOKS = ("incoming", "menu-choice", "free-input", "agent-transfer", "complete")
RETRY_FRAGMENT = "#rc=3&rp=5xx,ct,rt"
"""Asks Twilio to call again after a failure, a connection or a read that timed out."""


class CannotSendTestMessage(Exception):
    """Why a test message did not leave, as a sentence for a person."""


def connection_summary() -> dict[str, Any]:
    """How the connection is doing: `connected sender base_url bot refused_signatures last_inbound_at …`."""
    return import_string(f"{settings.MESSENGER}.connection_status.summary")()


def reconciliation_state(*, at: datetime) -> Any:
    """How reading the messenger's own log is doing: a `ReconciliationStatus`, or None when no account is connected."""
    return import_string(f"{settings.MESSENGER}.reconcile.status.reconciliation_status")(at=at)


def configured_credentials() -> dict[str, bool]:
    """Which of the environment's secrets are set; never what they are."""
    environment = settings.ENVIRONMENT
    return {
        "TWILIO_ACCOUNT_SID": bool(environment.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": bool(environment.twilio_auth_token),
        "TWILIO_WHATSAPP_NUMBER": bool(environment.whatsapp_number),
        "TWILIO_AUTH_TOKEN_SECONDARY": bool(environment.twilio_auth_token_secondary),
        "STUDIO_WEBHOOK_SECRET": bool(environment.studio_webhook_secret),
    }


def webhook_urls() -> dict[str, str]:
    """What to paste into Twilio's console."""
    hooks = settings.PUBLIC_BASE_URL + "/api/twilio/"
    return {"message": f"{hooks}message{RETRY_FRAGMENT}", "status": f"{hooks}status{RETRY_FRAGMENT}"}


def studio_hook_urls() -> list[str]:
    """For the HTTP widgets of a Studio flow; without the secret, which stands in the environment only."""
    return [f"{settings.PUBLIC_BASE_URL}/api/twilio/{name}" for name in STUDIO_HOOKS]


def send_test_message(to: str, text: str) -> str:
    """Send a message outside any conversation; gives its SID. Raises CannotSendTestMessage."""
    refused = import_string(f"{settings.MESSENGER}.client.TwilioRefused")
    try:
        return import_string(f"{settings.MESSENGER}.client.send_test")(to, text)
    except (refused, ValueError) as refusal:  # ValueError: the number is none
        raise CannotSendTestMessage(str(refusal)) from refusal
