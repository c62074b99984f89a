"""Liquid as Studio has it: limited, without files, and with the time it is given instead of a clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TextIO

from liquid import BoundTemplate, Environment, Mode, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError, LoopIterationLimitError, OutputStreamLimitError
from liquid.stringify import to_liquid_string

from relais.flows.engine.filters import NOW, Moment, bounded, our_filters
from relais.flows.engine.limits import LOOP, RENDERED_BYTES
from relais.flows.engine.values import as_json_text

# A local variable may be rendered from several times, so it may be larger than what is rendered.
LOCAL_BYTES = 16 * RENDERED_BYTES
HIDDEN = {"now": None, "today": None}  # the library's own, read from the clock


class BadTemplate(Exception):
    """The template is wrong, or went wrong; the sentence says how."""


class TooLong(Exception):
    """It rendered more than a text may have."""


class _Context(RenderContext):
    def raise_for_loop_limit(self, length: int = 1) -> None:
        rounds = length
        for loop in self.loops:
            rounds *= loop.length
        if length > LOOP or rounds > LOOP**3:
            raise LoopIterationLimitError(f"a loop of more than {LOOP} rounds", token=None)


class _Template(BoundTemplate):
    context_class = _Context


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if isinstance(value, (dict, list)):
            return buffer.write(as_json_text(value))
        return buffer.write(to_liquid_string(value, autoescape=False))


class _Output(Output):
    node_class = _OutputNode


class _Environment(Environment):
    template_class = _Template
    output_stream_limit = RENDERED_BYTES
    local_namespace_limit = LOCAL_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in ("include", "render"):
            del self.tags[tag]  # they read files
        for name in ("safe", "escapejs"):
            del self.filters[name]  # the library's own, which Twilio has not
        self.add_tag(_Output)
        self.filters.update(our_filters())
        self.filters = {name: bounded(name, filter_) for name, filter_ in self.filters.items()}


# The library takes these words for its own even after a full stop, where an answer may well have `parsed.limit`.
WORDS = (
    "true|false|nil|null|empty|blank|and|or|not|contains|in|if|else|with|for|as|limit|offset|reversed|cols"
)
_DOTTED = re.compile(rf"""("[^"]*"|'[^']*')|\.\s*({WORDS}|continue|required)(?![\w-])""")
_MARKS = re.compile(r"(\{\{|\{%|\}\}|%\})")


def _bracketed(source: str) -> str:
    """`a.limit` as `a["limit"]`, within tags and outputs."""
    parts = _MARKS.split(source)
    for index in range(2, len(parts), 2):
        if parts[index - 1] in ("{{", "{%"):
            parts[index] = _DOTTED.sub(lambda found: found[1] or f'["{found[2]}"]', parts[index])
    return "".join(parts)


_environment = _Environment(tolerance=Mode.STRICT)
FILTERS = frozenset(_environment.filters)
TAGS = frozenset(_environment.tags) - {"content", "output", "illegal", "#"}


@dataclass(frozen=True)
class Used:
    """What a template reads: paths into the variables, and filters."""

    paths: tuple[tuple[str, ...], ...]
    filters: frozenset[str]


def render(source: str, names: Mapping[str, object], *, now: datetime, zone: str) -> str:
    """The text of a template; raises BadTemplate or TooLong."""
    if "{{" not in source and "{%" not in source:
        return _measured(source)
    try:
        return compiled(source).render(**names, **HIDDEN, **{NOW: Moment(now, zone)})
    except OutputStreamLimitError as error:
        raise TooLong(source[:80]) from error
    except BadTemplate:
        raise
    except Exception as error:
        # Whatever a value makes of a filter, a flow goes on: numbers, dates and depth fail in many ways.
        raise BadTemplate(_sentence(error)) from error


def compiled(source: str) -> BoundTemplate:
    found = _compiled(source)
    if isinstance(found, BadTemplate):
        raise found
    return found


def used(source: str) -> Used:
    template = compiled(source)
    analysis = template.analyze(include_partials=False)
    paths = {tuple(str(part) for part in v.segments) for v_s in analysis.globals.values() for v in v_s}
    return Used(tuple(sorted(paths)), frozenset(analysis.filters))


@lru_cache(maxsize=8192)
def _compiled(source: str) -> BoundTemplate | BadTemplate:
    try:
        return _environment.from_string(_bracketed(source))
    except Exception as error:
        return BadTemplate(_sentence(error))


def _measured(text: str) -> str:
    if len(text) * 4 > RENDERED_BYTES and len(text.encode()) > RENDERED_BYTES:
        raise TooLong(text[:80])
    return text


def _sentence(error: Exception) -> str:
    said = error.message if isinstance(error, LiquidError) and error.message else str(error)
    cause = error.__cause__
    if said == "unexpected liquid parsing error" and cause is not None:
        said = str(cause)
    return str(said).partition("\n")[0] or type(error).__name__


__all__ = ["FILTERS", "TAGS", "BadTemplate", "TooLong", "Used", "compiled", "render", "used"]
