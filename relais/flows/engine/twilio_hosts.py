"""Recognises Twilio's hosts: only they get its credentials or signature."""

from urllib.parse import urlsplit

API_DOMAIN = "twilio.com"
FUNCTIONS_DOMAIN = "twil.io"


def is_twilio_api(url: str) -> bool:
    return _is_https_within(url, API_DOMAIN)


def is_twilio_function(url: str) -> bool:
    return _is_https_within(url, FUNCTIONS_DOMAIN)


def _is_https_within(url: str, domain: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme == "https" and port in (None, 443) and (host == domain or host.endswith(f".{domain}"))
