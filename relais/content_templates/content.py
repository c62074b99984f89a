"""The content of a template: its placeholders, and what the client reads once they are filled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]{1,64})\s*\}\}")
TYPES_BY_RICHNESS = (
    *("whatsapp/card", "twilio/card", "twilio/list-picker", "twilio/call-to-action", "twilio/quick-reply"),
    *("whatsapp/authentication", "twilio/media", "twilio/text"),
)
"""Of several types Twilio sends WhatsApp the richest."""


@dataclass(frozen=True)
class Button:
    """`kind`: QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE … or ITEM of a list."""

    kind: str
    title: str
    target: str = ""
    """The address or the number behind it."""
    description: str = ""


@dataclass(frozen=True)
class Content:
    """The part of a template that is sent, filled or with its placeholders."""

    body: str = ""
    title: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    list_button: str = ""

    @property
    def variables(self) -> list[str]:
        """The names of the placeholders: numbers first, in their order, then names as they first occur."""
        names = dict.fromkeys(name for text in self._texts() for name in PLACEHOLDER.findall(text))
        return sorted(names, key=lambda name: (0, int(name)) if name.isdecimal() else (1, 0))

    def fill(self, values: Mapping[str, str]) -> Content:
        def filled(text: str) -> str:
            return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)

        return Content(
            body=filled(self.body),
            title=filled(self.title),
            footer=filled(self.footer),
            buttons=tuple(
                Button(each.kind, filled(each.title), filled(each.target), filled(each.description))
                for each in self.buttons
            ),
            media=tuple(filled(url) for url in self.media),
            list_button=filled(self.list_button),
        )

    @property
    def text(self) -> str:
        """What the client reads, without the buttons."""
        return "\n".join(each for each in (self.title, self.body, self.footer) if each)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Content:
        texts = {name: str(stored.get(name) or "") for name in ("body", "title", "footer", "list_button")}
        buttons = tuple(
            Button(**{name: str(value) for name, value in each.items() if name in Button.__annotations__})
            for each in stored.get("buttons") or ()
        )
        return cls(**texts, buttons=buttons, media=tuple(stored.get("media") or ()))

    def _texts(self) -> Iterator[str]:
        yield from (self.title, self.body, self.footer, self.list_button, *self.media)
        for button in self.buttons:
            yield from (button.title, button.target, button.description)


def sent_type(types: Mapping[str, Any]) -> str:
    """The name of the type that WhatsApp gets."""
    known = [name for name in TYPES_BY_RICHNESS if name in types]
    return known[0] if known else next(iter(types), "")


def parse_types(types: Mapping[str, Any]) -> Content:
    """Twilio's `types` of a content. A type that we do not know shows whatever texts of it have a known name."""
    part = types.get(sent_type(types)) or {}
    if not isinstance(part, Mapping):
        return Content()
    body, title = _text(part, "body"), _text(part, "header_text") or _text(part, "title")
    return Content(
        body=body or title,
        title=title if body else "",
        footer=_text(part, "footer") or _text(part, "subtitle"),
        buttons=tuple(_buttons(part)),
        media=tuple(str(url) for url in part.get("media") or () if url),
        list_button=_text(part, "button"),
    )


def _buttons(part: Mapping[str, Any]) -> Iterator[Button]:
    for action in part.get("actions") or ():
        if isinstance(action, Mapping):
            target = _text(action, "url") or _text(action, "phone") or _text(action, "code")
            yield Button(_text(action, "type") or "QUICK_REPLY", _text(action, "title"), target)
    for item in part.get("items") or ():
        if isinstance(item, Mapping):
            yield Button("ITEM", _text(item, "item"), "", _text(item, "description"))


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
