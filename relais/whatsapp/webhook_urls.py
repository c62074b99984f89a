"""The URLs of ours that Twilio calls, as they are pasted into its console or sent with a message."""

from __future__ import annotations

from django.conf import settings

from relais.whatsapp.assumptions import STATUS_CALLBACKS_TAKE_OVERRIDES

STUDIO_HOOKS = ("incoming", "menu-choice", "free-input", "agent-transfer", "complete")
RETRY_FRAGMENT = "#rc=3&rp=5xx,ct,rt"
"""Twilio's connection overrides: three retries after a 5xx response, a connect timeout or a read timeout."""


def hook_url(name: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}/api/twilio/{name}"


def webhook_urls() -> dict[str, str]:
    """The webhook URLs to paste into Twilio's console."""
    return {name: hook_url(name) + RETRY_FRAGMENT for name in ("message", "status")}


def studio_hook_urls() -> list[str]:
    """The URLs for the HTTP widgets of a Studio flow, without the secret, which is in the environment only."""
    return [hook_url(name) for name in STUDIO_HOOKS]


def status_callback_url(ref: int) -> str:
    """`ref` identifies the delivery in callbacks when the call itself got no response."""
    fragment = RETRY_FRAGMENT if STATUS_CALLBACKS_TAKE_OVERRIDES else ""
    return f"{hook_url('status')}?ref={ref}{fragment}"
