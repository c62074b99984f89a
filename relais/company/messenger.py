"""The interface to the messenger room (`whatsapp`): connection status, webhook URLs, test messages.

It is resolved by `settings.MESSENGER` and not imported, since that room imports this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

STUDIO_HOOKS = ("incoming", "menu-choice", "free-input", "agent-transfer", "complete")
RETRY_FRAGMENT = "#rc=3&rp=5xx,ct,rt"
"""Twilio's connection overrides: three retries after a 5xx response, a connect timeout or a read timeout."""


class CannotSendTestMessage(Exception):
    """Why a test message was not sent, as a translated sentence for the user."""


def connection_summary() -> dict[str, Any]:
    """The status of the connection: `connected sender base_url bot refused_signatures last_inbound_at …`."""
    return import_string(f"{settings.MESSENGER}.connection_status.summary")()


def reconciliation_state(*, at: datetime) -> Any:
    """The `ReconciliationStatus` of the messenger's log; None when no account is connected."""
    return import_string(f"{settings.MESSENGER}.reconcile.status.reconciliation_status")(at=at)


def configured_credentials() -> dict[str, bool]:
    """Which credentials the environment sets; never their values."""
    environment = settings.ENVIRONMENT
    return {
        "TWILIO_ACCOUNT_SID": bool(environment.twilio_account_sid),
        "TWILIO_AUTH_TOKEN": bool(environment.twilio_auth_token),
        "TWILIO_WHATSAPP_NUMBER": bool(environment.whatsapp_number),
        "TWILIO_AUTH_TOKEN_SECONDARY": bool(environment.twilio_auth_token_secondary),
        "STUDIO_WEBHOOK_SECRET": bool(environment.studio_webhook_secret),
    }


def webhook_urls() -> dict[str, str]:
    """The webhook URLs to paste into Twilio's console."""
    hooks = settings.PUBLIC_BASE_URL + "/api/twilio/"
    return {"message": f"{hooks}message{RETRY_FRAGMENT}", "status": f"{hooks}status{RETRY_FRAGMENT}"}


def studio_hook_urls() -> list[str]:
    """The URLs for the HTTP widgets of a Studio flow, without the secret, which is in the environment only."""
    return [f"{settings.PUBLIC_BASE_URL}/api/twilio/{name}" for name in STUDIO_HOOKS]


def send_test_message(to: str, text: str) -> str:
    """Send a message outside any conversation and return its SID. Raises CannotSendTestMessage."""
    refused = import_string(f"{settings.MESSENGER}.client.TwilioRefused")
    try:
        return import_string(f"{settings.MESSENGER}.client.send_test")(to, text)
    except (refused, ValueError) as error:  # ValueError: an invalid phone number
        raise CannotSendTestMessage(str(error)) from error
