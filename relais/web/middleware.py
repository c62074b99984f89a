"""What stands around every page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone, translation

from relais.live.change_log import current_position
from relais.web.headers import HEADERS, is_https
from relais.web.times import ZONE_COOKIE, zone_named

COMPRESSIBLE = ("text/", "application/json", "application/xml", "image/svg+xml")
Handler = Callable[[HttpRequest], HttpResponse]


class CompressText(GZipMiddleware):
    """Pages and data; pictures and documents are compressed already.

    BREACH guesses a secret by how well it compresses beside what was asked for. The only one in our pages is the CSRF
    token, masked anew in each; and the answer's length is padded at random.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.headers.get("Content-Type", "").startswith(COMPRESSIBLE):
            return response
        return super().process_response(request, response)


def security_headers(get_response: Handler) -> Handler:
    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_https():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return answer


def live_position(get_response: Handler) -> Handler:
    """Where the page's lists stand. Read before anything a page shows, the reader's own rights among it."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.live_position = current_position()  # type: ignore[attr-defined]
        return get_response(request)

    return answer


def sound_session_key(get_response: Handler) -> Handler:
    """A session's key has letters and digits; a quoted cookie can hold a NUL, at which the database stumbles."""

    def answer(request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME, "x").isalnum():
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        return get_response(request)

    return answer


def language_of_user(get_response: Handler) -> Handler:
    """A person's own language; before sign-in the one chosen in this browser, else French."""

    def answer(request: HttpRequest) -> HttpResponse:
        language = _language_of(request)
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return answer


def time_zone_of_browser(get_response: Handler) -> Handler:
    """The zone this browser is in, once it has said so; until then the company's."""

    def answer(request: HttpRequest) -> HttpResponse:
        with timezone.override(
            zone_named(request.COOKIES.get(ZONE_COOKIE, "")) or timezone.get_default_timezone()
        ):
            return get_response(request)

    return answer


def _language_of(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return request.user.language
    return chosen_language(request)


def chosen_language(request: HttpRequest) -> str:
    return language_of_cookies(request.COOKIES)


def language_of_cookies(cookies: Mapping[str, str]) -> str:
    chosen = cookies.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
