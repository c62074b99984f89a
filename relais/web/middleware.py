"""Django middleware: compression, security headers, live position, language and time zone."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

import brotli
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from relais.live.change_log import current_position
from relais.web.headers import HEADERS, is_https
from relais.web.language_tags import language_tag
from relais.web.times import ZONE_COOKIE, parse_time_zone

COMPRESSIBLE = ("text/", "application/json", "application/xml", "image/svg+xml")
ACCEPTS_BROTLI = re.compile(r"\bbr\b")
BROTLI_QUALITY = 5
MIN_COMPRESSED_BYTES = 200
PADDING_HEADER = "X-Padding"
MAX_PADDING_BYTES = 100
GetResponse = Callable[[HttpRequest], HttpResponse]


class CompressText(GZipMiddleware):
    """Compress text responses; pictures and documents are compressed already.

    By Brotli where the browser takes it, which is over HTTPS: pages are a seventh smaller than by gzip, for less
    processor time.

    BREACH guesses a secret by how well it compresses beside reflected input. The only secret in our pages is the CSRF
    token, masked anew in each; and the length of the response is padded at random.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.headers.get("Content-Type", "").startswith(COMPRESSIBLE):
            return response
        if ACCEPTS_BROTLI.search(request.META.get("HTTP_ACCEPT_ENCODING", "")) and _compress(response):
            return response
        return super().process_response(request, response)


def _compress(response: HttpResponseBase) -> bool:
    """By Brotli; False if it is not compressed: then it may be by gzip, or not at all."""
    if not isinstance(response, HttpResponse) or len(response.content) < MIN_COMPRESSED_BYTES:
        return False
    if response.has_header("Content-Encoding") or response.has_header("ETag"):
        return False
    compressed = brotli.compress(response.content, quality=BROTLI_QUALITY)
    if len(compressed) >= len(response.content):
        return False
    response.content = compressed
    response.headers["Content-Length"] = str(len(compressed))
    response.headers["Content-Encoding"] = "br"
    response.headers[PADDING_HEADER] = secrets.token_hex(MAX_PADDING_BYTES)[
        : secrets.randbelow(MAX_PADDING_BYTES)
    ]
    patch_vary_headers(response, ("Accept-Encoding",))
    return True


def security_headers(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_https():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return middleware


def live_position(get_response: GetResponse) -> GetResponse:
    """The cursor of the page's live updates. Read before any data of the page, including the user's permissions."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.live_position = current_position()  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


def valid_session_key(get_response: GetResponse) -> GetResponse:
    """Drop a session cookie that is not alphanumeric: a quoted one can hold a NUL, which the database refuses."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME, "x").isalnum():
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return middleware


def language_of_user(get_response: GetResponse) -> GetResponse:
    """Activate the user's language; before sign-in that of the language cookie, else French."""

    def middleware(request: HttpRequest) -> HttpResponse:
        language = _language_of(request)
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = get_response(request)
        response.headers.setdefault("Content-Language", language_tag(language))
        return response

    return middleware


def time_zone_of_browser(get_response: GetResponse) -> GetResponse:
    """Activate the time zone of the browser's cookie; without one, the company's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(
            parse_time_zone(request.COOKIES.get(ZONE_COOKIE, "")) or timezone.get_default_timezone()
        ):
            return get_response(request)

    return middleware


def _language_of(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return request.user.language
    return language_of_browser(request)


def language_of_browser(request: HttpRequest) -> str:
    return language_of_cookies(request.COOKIES)


def language_of_cookies(cookies: Mapping[str, str]) -> str:
    chosen = cookies.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
