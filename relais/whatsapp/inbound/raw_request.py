"""A webhook request as it arrived: headers, query and body undecoded, with bounds on size and number of fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from django.utils.translation import gettext_lazy as _

from relais.http_server.request_body import BodyTooLarge

if TYPE_CHECKING:  # The jobs process parses parameters as well, and needs no web framework for it.
    from starlette.requests import Request

MAX_BODY_BYTES = 256 * 1024
BODY_TOO_LARGE = _("Le corps dépasse 256 ko.")
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
SIGNATURE_CHARACTERS = 28
"""Base64 of a SHA-1 digest."""


class Form:
    """Parameters by name, each with all its values."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.values.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def getall(self, name: str) -> list[str]:
        """The SDK's validator, which the tests compare with, calls this name."""
        return self.values[name]


@dataclass(frozen=True)
class RawRequest:
    """Path and query are undecoded, since Twilio signs the URL exactly as it called it."""

    path: str
    query: str
    content_type: str
    body: bytes
    signature: str
    authorization: str

    @property
    def is_form(self) -> bool:
        return self.content_type in ("", FORM_CONTENT_TYPE)

    @property
    def field_count(self) -> int:
        """How many fields a form has, counted without parsing it."""
        return self.body.count(b"&") + 1 if self.is_form else 0

    @property
    def may_be_signed(self) -> bool:
        """Whether the header has the length of a signature, so that computing one to compare is worth it."""
        return len(self.signature) == SIGNATURE_CHARACTERS

    @cached_property
    def form(self) -> Form:
        """All parameters, repeated and empty ones included: Twilio signs every one."""
        fields = self.body.decode("utf-8", "replace").split("&")
        return Form(_pair(field) for field in fields if field)

    @cached_property
    def signed_fields(self) -> bytes:
        """What the signature covers after the URL: every name with each of its values, sorted."""
        if not self.is_form:
            return b""
        return "".join(
            name + value
            for name, values in sorted(self.form.values.items())
            for value in (values if len(values) == 1 else sorted(set(values)))
        ).encode()


def declared_size(request: Request) -> int | None:
    """The Content-Length. Raises BodyTooLarge, before anything of the body is read."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else None
    if size is not None and size > MAX_BODY_BYTES:
        raise BodyTooLarge
    return size


def read_head(request: Request) -> RawRequest:
    """The request without its body."""
    # Of a repeated header the first one counts.
    headers: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))

    def header(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return RawRequest(
        path=raw_path.partition(b"?")[0].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        content_type=header(b"content-type").partition(";")[0].strip().lower(),
        body=b"",
        signature=header(b"x-twilio-signature"),
        authorization=header(b"authorization"),
    )


def _pair(field: str) -> tuple[str, str]:
    """Most fields are not encoded; `parse_qsl` would spend more on each of some twenty fields."""
    name, _, value = field.partition("=")
    return (_decoded(name), _decoded(value)) if "%" in field or "+" in field else (name, value)


def _decoded(text: str) -> str:
    spaced = text.replace("+", " ")
    return unquote_to_bytes(spaced).decode("utf-8", "replace") if "%" in spaced else spaced
