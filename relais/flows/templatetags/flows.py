"""A flow's words and the fitting of text into boxes, for the drawing."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from relais.flows import labels
from relais.flows.drawing import Drawing, Exit
from relais.flows.engine import Problem

register = template.Library()
NARROW, BROAD = frozenset("iljtfrI.,:;'|!()[] ·"), frozenset("mwMWOQ@%—…")

register.filter("kind", labels.kind)
register.filter("kind_icon", labels.icon)
register.filter("event_word", labels.event)
register.filter("gist", labels.gist)
register.filter("facts", labels.facts)
register.filter("sentence", labels.sentence)
register.filter("explanation", labels.explanation)
register.filter("end_reason", labels.ended)
register.filter("verdict", labels.verdict)


@register.filter
def events(exit: Exit) -> str:
    """All that leads to one target, in words, each once."""
    return " · ".join(dict.fromkeys(labels.event(transition, exit.source) for transition in exit.transitions))


@register.filter
def fit(text: str, width: int) -> str:
    """As much of a text as about `width` pixels hold: text in a drawing neither wraps nor cuts itself."""
    room = float(width)
    for index, sign in enumerate(text):
        room -= 3.9 if sign in NARROW else 10.5 if sign in BROAD else 8.0 if sign.isupper() else 6.8
        if room < 0:
            return text[: max(1, index - 1)].rstrip() + "…"
    return text


@register.filter
def numbers(drawing: Drawing | None) -> dict[str, int]:
    """The number of each state's section, by name."""
    return {box.widget.name: box.number for box in drawing.boxes} if drawing else {}


@register.filter
def number_of(known: Mapping[str, int] | str, name: str) -> int | None:
    return known.get(name) if isinstance(known, Mapping) else None


@register.filter
def of_state(found: Mapping[str, list[Problem]] | str, name: str) -> list[Problem]:
    """What is wrong with one state."""
    return found.get(name, []) if isinstance(found, Mapping) else []


@register.filter
def has_error(found: list[Problem]) -> bool:
    return any(problem.level == "error" for problem in found)


@register.filter
def plus(number: int, more: int) -> int:
    return number + more


@register.filter
def row(exit: Exit) -> str:
    """What leads there, as long as the target's name beside it leaves room."""
    return fit(events(exit), 108 if exit.is_jump else 232)
