"""What a step of a flow wants done outside. The engine does none of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"
Params = tuple[tuple[str, str], ...]
"""Parameters of a request in order; a key may be there more than once."""
Authentication = Literal["", "twilio_credentials", "twilio_signature"]


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    content_type: str
    """Empty when there is no body."""
    body: str
    authentication: Authentication = ""
    follow_redirects: bool = True


@dataclass(frozen=True)
class Say:
    """Send a message; an empty `content_sid` means that it is `body` and `media_url`.

    Not `is_to_client`: `to` is another address than the client's, or `sender` not the number he wrote to. Then the
    flow waits for `Said`.
    """

    ref: int
    widget: str
    to: str
    sender: str
    body: str
    media_url: str = ""
    content_sid: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict)
    is_to_client: bool = True


@dataclass(frozen=True)
class CallHttp:
    """Make a request: 10 s, 64 KB, redirects followed."""

    ref: int
    widget: str
    method: str
    url: str
    params: Params
    content_type: str = FORM
    body: str = ""
    authentication: Authentication = ""

    def as_request(self) -> Request:
        """Parameters go into the query on GET and beside JSON, into the form on POST."""
        if self.method == "GET":
            return Request("GET", with_query(self.url, self.params), "", "", self.authentication)
        if self.content_type.startswith(FORM):
            form = "&".join(part for part in (self.body, urlencode(self.params)) if part)
            return Request("POST", self.url, self.content_type, form, self.authentication)
        url = with_query(self.url, self.params)
        return Request("POST", url, self.content_type, self.body, self.authentication)


@dataclass(frozen=True)
class RunFunction:
    """Run a function known here by its URL or SID, else POST its parameters to its URL as a form.

    Signed, as Studio signs it: a protected function of Twilio answers to nothing else. A redirect is an answer.
    """

    ref: int
    widget: str
    url: str
    params: Params
    function_sid: str = ""

    def as_request(self) -> Request:
        return Request(
            "POST",
            self.url,
            f"{FORM};charset=utf-8",
            urlencode(self.params),
            authentication="twilio_signature",
            follow_redirects=False,
        )


@dataclass(frozen=True)
class AskForAgent:
    ref: int
    widget: str
    attributes: Mapping[str, Any]
    workflow: str = ""
    priority: str = ""


@dataclass(frozen=True)
class Wait:
    """The client was asked something and may answer for `timeout` seconds, until `until` (ISO 8601)."""

    widget: str
    timeout: int
    until: str


@dataclass(frozen=True)
class Warn:
    widget: str
    message: str


@dataclass(frozen=True)
class End:
    """`completed`, or the name of the limit that was reached."""

    reason: str
    steps: int


Effect = Say | CallHttp | RunFunction | AskForAgent | Wait | Warn | End


def as_mapping(params: Params) -> dict[str, str | list[str]]:
    """By key; the values of a key that is there more than once as a list."""
    values: dict[str, list[str]] = {}
    for key, value in params:
        values.setdefault(key, []).append(value)
    return {key: each if len(each) > 1 else each[0] for key, each in values.items()}


def with_query(url: str, params: Params) -> str:
    if not params:
        return url
    address, hash_, fragment = url.partition("#")
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{urlencode(params)}{hash_}{fragment}"
