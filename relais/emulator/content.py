"""Content of Twilio's Content API: what a message sent by `ContentSid` shows, and who may get it when."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
SESSION_TYPES = ("twilio/text", "twilio/media", "twilio/quick-reply", "twilio/list-picker", "twilio/card")
"""What Twilio sends without WhatsApp's approval in an open window."""
NEVER_APPROVED_TYPES = ("twilio/list-picker",)
"""What can never start a conversation, approved or not."""
TYPES_BY_RICHNESS = (
    *("whatsapp/card", "twilio/card", "twilio/list-picker", "twilio/call-to-action", "twilio/quick-reply"),
    *("twilio/media", "twilio/text"),
)
"""Of several types Twilio sends the richest that the channel supports."""


@dataclass(frozen=True)
class Approval:
    """WhatsApp's answer. Statuses: unsubmitted, received, pending, approved, rejected, paused, disabled."""

    status: str = "unsubmitted"
    name: str = ""
    category: str = ""
    rejection_reason: str = ""


@dataclass(frozen=True)
class Action:
    """A button under a message, or an item of its list."""

    type: str
    title: str
    id: str = ""
    description: str = ""
    url: str = ""
    phone: str = ""


@dataclass(frozen=True)
class RenderedContent:
    body: str
    title: str = ""
    footer: str = ""
    media_urls: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    list_button: str = ""

    def as_phone_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "footer": self.footer,
            "list_button": self.list_button,
            "actions": [vars(each) for each in self.actions],
        }


@dataclass
class Content:
    sid: str
    account: str
    friendly_name: str
    language: str
    variables: dict[str, str]
    """The sample values, which Twilio also uses as defaults."""
    types: dict[str, dict[str, Any]]
    created_at: datetime
    updated_at: datetime
    approval: Approval = field(default_factory=Approval)

    @property
    def type(self) -> str:
        """The type that is sent."""
        known = [name for name in TYPES_BY_RICHNESS if name in self.types]
        return known[0] if known else next(iter(self.types))

    @property
    def placeholders(self) -> list[str]:
        """The names of the variables in the order in which they first occur."""
        return list(dict.fromkeys(_placeholders(self.types[self.type])))

    def missing(self, given: Mapping[str, str]) -> list[str]:
        return [name for name in self.placeholders if name not in given and name not in self.variables]

    def may_be_sent(self, *, in_window: bool) -> bool:
        if in_window and self.type in SESSION_TYPES:
            return True
        return self.approval.status == "approved" and self.type not in NEVER_APPROVED_TYPES

    def render(self, given: Mapping[str, str]) -> RenderedContent:
        values = {**self.variables, **given}
        part = _fill(self.types[self.type], values)
        return RenderedContent(
            body=_text(part, "body") or ("" if self.type != "twilio/card" else _text(part, "title")),
            title=_text(part, "header_text") or (_text(part, "title") if _text(part, "body") else ""),
            footer=_text(part, "footer") or _text(part, "subtitle"),
            media_urls=tuple(url for url in part.get("media") or () if url),
            actions=tuple(_actions(part)),
            list_button=_text(part, "button"),
        )

    def as_rest(self) -> dict[str, Any]:
        url = f"https://content.twilio.com/v1/Content/{self.sid}"
        approvals = f"{url}/ApprovalRequests"
        return {
            **self._common(),
            "links": {"approval_create": f"{approvals}/whatsapp", "approval_fetch": approvals},
            "url": url,
        }

    def as_rest_with_approval(self) -> dict[str, Any]:
        return {**self._common(), "approval_requests": self._approval()}

    def approval_as_rest(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "account_sid": self.account,
            "whatsapp": {"type": "whatsapp", **self._approval()},
            "url": f"https://content.twilio.com/v1/Content/{self.sid}/ApprovalRequests",
        }

    def _approval(self) -> dict[str, Any]:
        return {
            "allow_category_change": True,
            "category": self.approval.category,
            "content_type": self.type,
            "name": self.approval.name,
            "rejection_reason": self.approval.rejection_reason,
            "status": self.approval.status,
        }

    def _common(self) -> dict[str, Any]:
        return {
            "account_sid": self.account,
            "date_created": _iso(self.created_at),
            "date_updated": _iso(self.updated_at),
            "friendly_name": self.friendly_name,
            "language": self.language,
            "sid": self.sid,
            "types": self.types,
            "variables": self.variables,
        }


class ContentStore:
    """Contents by SID, newest last, up to a maximum; the oldest are dropped first."""

    def __init__(self, max_contents: Callable[[], int]) -> None:
        self._max_contents = max_contents
        self._contents: OrderedDict[str, Content] = OrderedDict()

    def __len__(self) -> int:
        return len(self._contents)

    def add(self, content: Content) -> None:
        self._contents[content.sid] = content
        while len(self._contents) > max(self._max_contents(), 1):
            self._contents.popitem(last=False)

    def get(self, sid: str) -> Content | None:
        return self._contents.get(sid)

    def delete(self, sid: str) -> bool:
        return self._contents.pop(sid, None) is not None

    def newest_first(self) -> Iterator[Content]:
        return iter(list(reversed(self._contents.values())))


def _placeholders(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from PLACEHOLDER.findall(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _placeholders(each)
    elif isinstance(value, list):
        for each in value:
            yield from _placeholders(each)


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {name: _fill(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, values) for each in value]
    return value


def _actions(part: Mapping[str, Any]) -> Iterator[Action]:
    for action in part.get("actions") or ():
        yield Action(
            type=_text(action, "type") or "QUICK_REPLY",
            title=_text(action, "title"),
            id=_text(action, "id"),
            url=_text(action, "url"),
            phone=_text(action, "phone"),
        )
    for item in part.get("items") or ():
        yield Action(
            type="ITEM",
            title=_text(item, "item"),
            id=_text(item, "id"),
            description=_text(item, "description"),
        )


def _text(part: Mapping[str, Any], name: str) -> str:
    return str(part.get(name) or "")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
