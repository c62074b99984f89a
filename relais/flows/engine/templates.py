"""Liquid as Studio has it: limited, without files, and with the time it is given instead of a clock."""

import re
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, Mode, RenderContext, Token
from liquid.ast import BlockNode
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.expressions.logical import ContainsExpression, EqExpression, NeExpression
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.builtin.tags.tablerow_tag import TablerowNode, TablerowTag
from liquid.exceptions import LiquidError, LoopIterationLimitError, OutputStreamLimitError
from liquid.expression import Expression
from liquid.stringify import to_liquid_string

from relais.flows.engine.budget import Budget, weight_of
from relais.flows.engine.filters import BUDGET, NOW, WEIGHT_PER_OPERATION, Moment, bounded, our_filters
from relais.flows.engine.limits import LOOP, RENDERED_BYTES, TEMPLATE_OPERATIONS
from relais.flows.engine.values import as_json_text

# A local variable may be rendered from several times, so it may be larger than what is rendered.
LOCAL_BYTES = 16 * RENDERED_BYTES
MAX_SOURCE_CHARACTERS = 64 * 1024
MAX_EXPRESSION_PARTS = 200
NODE_OPERATIONS = 20
"""The largest node has MAX_EXPRESSION_PARTS, each a fraction of a microsecond."""
HIDDEN = {"now": None, "today": None}  # the library's own, read from the clock


class BadTemplate(Exception):
    """The template is wrong, or went wrong; the sentence says how."""


class TooLong(Exception):
    """It rendered more than a text may have."""


class _Context(RenderContext):
    @property
    def disabled_tags(self) -> list[str]:
        """Each node asks for it before it renders, in whatever kind of loop: that is what is counted."""
        self.spend(NODE_OPERATIONS)
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        pass

    @property
    def budget(self) -> Budget:
        found = self.globals[BUDGET]
        assert isinstance(found, Budget)
        return found

    def spend(self, operations: int) -> None:
        self.budget.spend(operations)

    def assign(self, key: str, val: Any) -> None:
        self.spend(len(self.locals) // 4)  # the size of all of them is looked at
        super().assign(key, val)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        rounds = length
        for loop in self.loops:
            rounds *= loop.length
        if rounds > LOOP**3:
            raise LoopIterationLimitError(f"loops of more than {LOOP**3} rounds", token=None)


class _Loop(LoopExpression):
    """What a loop goes through: never more than Twilio's number of rounds, and sliced before it is gone through."""

    __slots__ = ()

    @classmethod
    def of(cls, loop: LoopExpression) -> "_Loop":
        return cls(
            loop.token,
            loop.identifier,
            loop.iterable,
            limit=loop.limit,
            offset=loop.offset,
            reversed_=loop.reversed,
            cols=loop.cols,
        )

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Any, int]:
        if isinstance(obj, Mapping):
            return list(obj.items()), len(obj)
        if isinstance(obj, (list, tuple, range)):
            return obj, len(obj)
        return ([obj], 1) if isinstance(obj, str) and obj else ([], 0)

    def _slice(
        self, it: Any, length: int, context: RenderContext, *, limit: int | None, offset: int | str | None
    ) -> tuple[Iterator[object], int]:
        key = f"{self.identifier}-{self.iterable}"
        start = context.stopindex(key) if isinstance(offset, str) else max(offset or 0, 0)
        stop = length if limit is None else min(start + max(limit, 0), length)
        context.stopindex(key, stop)
        items = it[min(start, length) : stop]
        if self.reversed:
            items = items[::-1]
        if len(items) > LOOP:
            assert isinstance(context, _Context)
            context.budget.warn(f"A loop of {len(items)} rounds ends after {LOOP}, as at Twilio.")
            items = items[:LOOP]
        return iter(items), len(items)


class _ForNode(ForNode):
    def __init__(
        self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None
    ) -> None:
        super().__init__(token, _Loop.of(expression), block, default)


class _For(ForTag):
    node_class = _ForNode


class _TablerowNode(TablerowNode):
    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode) -> None:
        super().__init__(token, _Loop.of(expression), block)


class _Tablerow(TablerowTag):
    node_class = _TablerowNode


class _Contains(ContainsExpression):
    """As it is, but for what it costs: Python looks for 5.5 in a range by going through all of it."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        assert isinstance(context, _Context)
        left, right = self.left.evaluate(context), self.right.evaluate(context)
        if isinstance(left, range):
            return isinstance(right, (int, float)) and right == int(right) and int(right) in left
        context.spend(len(left) // 8 if isinstance(left, Sized) else 1)
        return super().evaluate(context)


class _Eq(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        _spend_on_comparing(context, self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context)


class _Ne(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        _spend_on_comparing(context, self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context)


def _spend_on_comparing(context: RenderContext, left: object, right: object) -> None:
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        assert isinstance(context, _Context)
        context.spend(weight_of(left) // WEIGHT_PER_OPERATION)


OURS: Mapping[type[Expression], type[Expression]] = {
    ContainsExpression: _Contains,
    EqExpression: _Eq,
    NeExpression: _Ne,
}


class _Template(BoundTemplate):
    context_class = _Context


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if isinstance(value, (dict, list)):
            assert isinstance(context, _Context)
            context.spend(weight_of(value) // WEIGHT_PER_OPERATION)
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
        for tag_class in (_Output, _For, _Tablerow):
            self.add_tag(tag_class)
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


def render(
    source: str, names: Mapping[str, object], *, now: datetime, zone: str, budget: Budget | None = None
) -> str:
    """The text of a template, and into `budget` what it cost; raises BadTemplate or TooLong."""
    if "{{" not in source and "{%" not in source:
        return _measured(source)
    budget = budget or Budget(TEMPLATE_OPERATIONS)
    try:
        return compiled(source).render(**names, **HIDDEN, **{NOW: Moment(now, zone), BUDGET: budget})
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
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise BadTemplate(f"it has more than {MAX_SOURCE_CHARACTERS // 1024} KB")
        template = _environment.from_string(_bracketed(source))
        _bound(template)
        return template
    except BadTemplate as error:
        return error
    except Exception as error:
        return BadTemplate(_sentence(error))


def _bound(template: BoundTemplate) -> None:
    """Puts our expressions in the place of the library's, which has no other way; and counts the parts."""
    context = _Context(template)
    nodes = list(template.nodes)
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        parts = list(node.expressions())
        for expression in parts:
            parts += expression.children()
            if len(parts) > MAX_EXPRESSION_PARTS:
                raise BadTemplate(f"an expression has more than {MAX_EXPRESSION_PARTS} parts")
            if ours := OURS.get(type(expression)):
                expression.__class__ = ours


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


__all__ = ["FILTERS", "TAGS", "BadTemplate", "Budget", "TooLong", "Used", "compiled", "render", "used"]
