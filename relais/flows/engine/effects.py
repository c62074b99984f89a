"""Effects: what a step asks its host to do. The engine does none of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"
Params = tuple[tuple[str, str], ...]
"""Parameters of a request in their order; a key may occur more than once."""
Authentication = Literal["", "twilio_credentials", "twilio_signature"]


@dataclass(frozen=True)
class Request:
    """An HTTP request, ready to be sent."""

    method: str
    url: str
    content_type: str
    """Empty when there is no body."""
    body: str
    authentication: Authentication = ""
    follow_redirects: bool = True


@dataclass(frozen=True)
class SendMessage:
    """Send a message: `body` and `media_url`, or a template if `content_sid` is set.

    `is_to_client` is false when `to` is not the client's address, or `sender` not the number he wrote to. The flow
    then waits for `SendResult`.
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
class MakeHttpRequest:
    """Make an HTTP request: 10 s at most, 64 KB at most, redirects followed."""

    ref: int
    widget: str
    method: str
    url: str
    params: Params
    content_type: str = FORM
    body: str = ""
    authentication: Authentication = ""

    def as_request(self) -> Request:
        """Parameters go into the query on GET and beside a JSON body, into the form on POST."""
        if self.method == "GET":
            return Request("GET", with_query(self.url, self.params), "", "", self.authentication)
        if self.content_type.startswith(FORM):
            form = "&".join(part for part in (self.body, urlencode(self.params)) if part)
            return Request("POST", self.url, self.content_type, form, self.authentication)
        url = with_query(self.url, self.params)
        return Request("POST", url, self.content_type, self.body, self.authentication)


@dataclass(frozen=True)
class RunFunction:
    """Run the local function of this URL or SID, else POST the parameters to the URL as a form.

    The request is signed as Studio signs it, since a protected function of Twilio rejects any other. Redirects are
    not followed: a redirect is the response.
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
    """Ask for an agent to take the conversation."""

    ref: int
    widget: str
    attributes: Mapping[str, Any]
    workflow: str = ""
    priority: str = ""


@dataclass(frozen=True)
class WaitForReply:
    """The client has `timeout` seconds to reply, until `until` (ISO 8601)."""

    widget: str
    timeout: int
    until: str


@dataclass(frozen=True)
class RecordWarning:
    """Something in the flow went wrong; the flow goes on."""

    widget: str
    message: str


@dataclass(frozen=True)
class EndExecution:
    """The execution is over: `completed`, or the name of the limit that was reached."""

    reason: str
    steps: int


Effect = (
    SendMessage | MakeHttpRequest | RunFunction | AskForAgent | WaitForReply | RecordWarning | EndExecution
)


def as_mapping(params: Params) -> dict[str, str | list[str]]:
    """The parameters by key; a key that occurs more than once has a list of values."""
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
