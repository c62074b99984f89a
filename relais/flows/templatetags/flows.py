"""Template filters for flows: labels, and fitting text into the boxes of the drawing."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from relais.flows import labels
from relais.flows.drawing import Drawing, Exit
from relais.flows.engine import Problem

register = template.Library()
NARROW_LETTERS, WIDE_LETTERS = frozenset("iljtfrI.,:;'|!()[] ·"), frozenset("mwMWOQ@%—…")

register.filter("widget_label", labels.widget_label)
register.filter("widget_icon", labels.widget_icon)
register.filter("event_label", labels.event_label)
register.filter("summary", labels.summary)
register.filter("properties", labels.properties)
register.filter("problem_text", labels.problem_text)
register.filter("problem_detail", labels.problem_detail)
register.filter("end_reason_label", labels.end_reason_label)
register.filter("verdict_label", labels.verdict_label)


@register.filter
def event_labels(exit: Exit) -> str:
    """The labels of all transitions to one target, each once."""
    return " · ".join(
        dict.fromkeys(labels.event_label(transition, exit.source) for transition in exit.transitions)
    )


@register.filter
def fit(text: str, width: int) -> str:
    """The text cut to about `width` pixels: SVG text neither wraps nor clips."""
    remaining = float(width)
    for index, letter in enumerate(text):
        is_narrow, is_wide = letter in NARROW_LETTERS, letter in WIDE_LETTERS
        remaining -= 3.9 if is_narrow else 10.5 if is_wide else 8.0 if letter.isupper() else 6.8
        if remaining < 0:
            return text[: max(1, index - 1)].rstrip() + "…"
    return text


@register.filter
def state_numbers(drawing: Drawing | None) -> dict[str, int]:
    """The number of each state's section, by the state's name."""
    return {box.widget.name: box.number for box in drawing.boxes} if drawing else {}


@register.filter
def number_of(numbers: Mapping[str, int] | str, name: str) -> int | None:
    return numbers.get(name) if isinstance(numbers, Mapping) else None


@register.filter
def of_state(problems: Mapping[str, list[Problem]] | str, name: str) -> list[Problem]:
    """The problems of one state."""
    return problems.get(name, []) if isinstance(problems, Mapping) else []


@register.filter
def has_error(problems: list[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


@register.filter
def plus(number: int, more: int) -> int:
    return number + more


@register.filter
def row_label(exit: Exit) -> str:
    """The events of a row, cut so that the target's name beside them has room."""
    return fit(event_labels(exit), 108 if exit.is_jump else 232)
