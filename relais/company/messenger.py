"""The interface to the messenger room (`whatsapp`): connection status, webhook URLs, test messages.

It is resolved by `settings.MESSENGER` and not imported, since that room imports this one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


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
    urls: dict[str, str] = import_string(f"{settings.MESSENGER}.webhook_urls.webhook_urls")()
    return urls


def studio_hook_urls() -> list[str]:
    """The URLs for the HTTP widgets of a Studio flow."""
    urls: list[str] = import_string(f"{settings.MESSENGER}.webhook_urls.studio_hook_urls")()
    return urls


def send_test_message(to: str, text: str) -> str:
    """Send a message outside any conversation and return its SID. Raises CannotSendTestMessage."""
    refused = import_string(f"{settings.MESSENGER}.client.TwilioRefused")
    try:
        return import_string(f"{settings.MESSENGER}.client.send_test")(to, text)
    except (refused, ValueError) as error:  # ValueError: an invalid phone number
        raise CannotSendTestMessage(str(error)) from error
