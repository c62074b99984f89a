"""What a step of a flow wants done outside. The engine does none of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    content_type: str
    """Empty when there is no body."""
    body: str


@dataclass(frozen=True)
class Say:
    """Send a message; an empty `content_sid` means that it is `body` and `media_url`."""

    ref: int
    widget: str
    to: str
    sender: str
    body: str
    media_url: str = ""
    content_sid: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CallHttp:
    """Make a request: 10 s, 64 KB, redirects followed. `auth` is "twilio" or empty."""

    ref: int
    widget: str
    method: str
    url: str
    params: Mapping[str, str]
    content_type: str = FORM
    body: str = ""
    auth: str = ""

    def as_request(self) -> Request:
        """Parameters go into the query on GET and beside JSON, into the form on POST."""
        if self.method == "GET":
            return Request("GET", with_query(self.url, self.params), "", "")
        if self.content_type.startswith(FORM):
            form = "&".join(part for part in (self.body, urlencode(self.params)) if part)
            return Request("POST", self.url, self.content_type, form)
        return Request("POST", with_query(self.url, self.params), self.content_type, self.body)


@dataclass(frozen=True)
class RunFunction:
    """Run a function known here by its URL or SID, else POST its parameters to its URL as a form."""

    ref: int
    widget: str
    url: str
    params: Mapping[str, str]
    function_sid: str = ""

    def as_request(self) -> Request:
        return Request("POST", self.url, f"{FORM};charset=utf-8", urlencode(self.params))


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


def with_query(url: str, params: Mapping[str, str]) -> str:
    if not params:
        return url
    address, hash_, fragment = url.partition("#")
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{urlencode(params)}{hash_}{fragment}"
