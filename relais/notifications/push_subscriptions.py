"""The subscription that a browser posts: checked, and named after the browser for its user."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from relais.action_errors import InvalidField

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
"""What a User-Agent contains, the telling part first: Edge also says Chrome and Safari."""


@dataclass(frozen=True)
class SubscriptionFields:
    endpoint: str
    p256dh: str
    auth: str


def endpoint_field(request: HttpRequest) -> str:
    endpoint = _body(request).get("endpoint")
    return endpoint if isinstance(endpoint, str) else ""


def subscription_fields(request: HttpRequest) -> SubscriptionFields:
    """What `PushSubscription.toJSON()` gives. Raises InvalidField."""
    # Loaded on first use: the cryptography costs memory that a desk without pushes does not need.
    from relais.notifications.push_client import InvalidEndpoint, check_endpoint
    from relais.notifications.web_push import BrowserKeys

    keys = _body(request).get("keys")
    texts = [keys.get(name) for name in ("p256dh", "auth")] if isinstance(keys, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidField("keys", _("Les clés de l'abonnement manquent."))
    fields = SubscriptionFields(endpoint_field(request), *texts)
    try:
        check_endpoint(fields.endpoint)
    except InvalidEndpoint as error:
        raise InvalidField(
            "endpoint", _("Cette adresse n'est pas celle d'un service de notifications.")
        ) from error
    try:
        BrowserKeys.parse(fields.p256dh, fields.auth)
    except ValueError as error:
        raise InvalidField("keys", _("Les clés de l'abonnement ne sont pas valables.")) from error
    return fields


def device_name(user_agent: str) -> str:
    """« Firefox, Android »; empty for what is not recognised."""
    names = (_first_match(user_agent, BROWSERS), _first_match(user_agent, SYSTEMS))
    return ", ".join(filter(None, names))


def _first_match(user_agent: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for part, name in names if re.search(rf"\b{re.escape(part)}", user_agent)), "")


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
