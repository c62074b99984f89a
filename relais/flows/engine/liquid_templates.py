"""Renders Liquid templates as Studio does: with limits, without files, at the time of the step instead of a clock."""

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
from relais.flows.engine.limits import MAX_LOOP_ROUNDS, MAX_RENDERED_BYTES, MAX_TEMPLATE_OPERATIONS
from relais.flows.engine.liquid_filters import (
    BUDGET,
    NOW,
    WEIGHT_PER_OPERATION,
    StepTime,
    custom_filters,
    with_limits,
)
from relais.flows.engine.values import json_text

# A text may use parts of a local variable, so the variable may be larger than the text.
MAX_LOCAL_BYTES = 16 * MAX_RENDERED_BYTES
MAX_SOURCE_CHARACTERS = 64 * 1024
MAX_EXPRESSION_PARTS = 200
NODE_OPERATIONS = 20
"""The largest node has MAX_EXPRESSION_PARTS, each a fraction of a microsecond."""
MASKED_VARIABLES = {"now": None, "today": None}  # variables of the library, which reads them from the clock


class InvalidTemplate(Exception):
    """The template cannot be parsed or rendered; the message says why."""


class RenderedTextTooLong(Exception):
    """The rendered text exceeds MAX_RENDERED_BYTES."""


class _Context(RenderContext):
    @property
    def disabled_tags(self) -> list[str]:
        """Charge the budget: each node reads this property before it renders, in every kind of loop."""
        self.spend(NODE_OPERATIONS)
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        pass

    @property
    def budget(self) -> Budget:
        budget = self.globals[BUDGET]
        assert isinstance(budget, Budget)
        return budget

    def spend(self, operations: int) -> None:
        self.budget.spend(operations)

    def assign(self, key: str, val: Any) -> None:
        self.spend(len(self.locals) // 4)  # the library measures all of them
        super().assign(key, val)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        rounds = length
        for loop in self.loops:
            rounds *= loop.length
        if rounds > MAX_LOOP_ROUNDS**3:
            raise LoopIterationLimitError(f"loops of more than {MAX_LOOP_ROUNDS**3} rounds", token=None)


class _Loop(LoopExpression):
    """The items of a loop: sliced before they are iterated, and never more than Twilio's number of rounds."""

    __slots__ = ()

    @classmethod
    def from_expression(cls, loop: LoopExpression) -> "_Loop":
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
        if len(items) > MAX_LOOP_ROUNDS:
            assert isinstance(context, _Context)
            context.budget.warn(f"A loop of {len(items)} rounds ends after {MAX_LOOP_ROUNDS}, as at Twilio.")
            items = items[:MAX_LOOP_ROUNDS]
        return iter(items), len(items)


class _ForNode(ForNode):
    def __init__(
        self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None
    ) -> None:
        super().__init__(token, _Loop.from_expression(expression), block, default)


class _For(ForTag):
    node_class = _ForNode


class _TablerowNode(TablerowNode):
    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode) -> None:
        super().__init__(token, _Loop.from_expression(expression), block)


class _Tablerow(TablerowTag):
    node_class = _TablerowNode


class _Contains(ContainsExpression):
    """`contains` with its cost charged; Python searches a whole range for 5.5."""

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
        _charge_comparison(context, self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context)


class _Ne(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        _charge_comparison(context, self.left.evaluate(context), self.right.evaluate(context))
        return super().evaluate(context)


def _charge_comparison(context: RenderContext, left: object, right: object) -> None:
    if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
        assert isinstance(context, _Context)
        context.spend(weight_of(left) // WEIGHT_PER_OPERATION)


REPLACED_EXPRESSIONS: Mapping[type[Expression], type[Expression]] = {
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
            return buffer.write(json_text(value))
        return buffer.write(to_liquid_string(value, autoescape=False))


class _Output(Output):
    node_class = _OutputNode


class _Environment(Environment):
    template_class = _Template
    output_stream_limit = MAX_RENDERED_BYTES
    local_namespace_limit = MAX_LOCAL_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in ("include", "render"):
            del self.tags[tag]  # they read files
        for name in ("safe", "escapejs"):
            del self.filters[name]  # extensions of the library that Twilio lacks
        for tag_class in (_Output, _For, _Tablerow):
            self.add_tag(tag_class)
        self.filters.update(custom_filters())
        self.filters = {name: with_limits(name, filter_) for name, filter_ in self.filters.items()}


# The library reserves these words even after a full stop, but a response may have a key such as `parsed.limit`.
RESERVED_WORDS = (
    "true|false|nil|null|empty|blank|and|or|not|contains|in|if|else|with|for|as|limit|offset|reversed|cols"
)
_DOTTED_RESERVED_WORD = re.compile(
    rf"""("[^"]*"|'[^']*')|\.\s*({RESERVED_WORDS}|continue|required)(?![\w-])"""
)
_DELIMITERS = re.compile(r"(\{\{|\{%|\}\}|%\})")


def _with_bracket_notation(source: str) -> str:
    """`a.limit` as `a["limit"]`, within tags and outputs."""
    parts = _DELIMITERS.split(source)
    for index in range(2, len(parts), 2):
        if parts[index - 1] in ("{{", "{%"):
            parts[index] = _DOTTED_RESERVED_WORD.sub(
                lambda match: match[1] or f'["{match[2]}"]', parts[index]
            )
    return "".join(parts)


_environment = _Environment(tolerance=Mode.STRICT)
FILTERS = frozenset(_environment.filters)
TAGS = frozenset(_environment.tags) - {"content", "output", "illegal", "#"}


@dataclass(frozen=True)
class TemplateReferences:
    """The variables (as paths) and filters that a template uses."""

    paths: tuple[tuple[str, ...], ...]
    filters: frozenset[str]


def render(
    source: str, names: Mapping[str, object], *, now: datetime, zone: str, budget: Budget | None = None
) -> str:
    """The text of a template; charges `budget`. Raises InvalidTemplate or RenderedTextTooLong."""
    if "{{" not in source and "{%" not in source:
        return _checked_length(source)
    budget = budget or Budget(MAX_TEMPLATE_OPERATIONS)
    try:
        return compile_template(source).render(
            **names, **MASKED_VARIABLES, **{NOW: StepTime(now, zone), BUDGET: budget}
        )
    except OutputStreamLimitError as error:
        raise RenderedTextTooLong(source[:80]) from error
    except InvalidTemplate:
        raise
    except Exception as error:
        # The flow goes on whatever a filter raises: numbers, dates and nesting fail in many ways.
        raise InvalidTemplate(_first_line(error)) from error


def compile_template(source: str) -> BoundTemplate:
    cached = _compile_cached(source)
    if isinstance(cached, InvalidTemplate):
        raise cached
    return cached


def template_references(source: str) -> TemplateReferences:
    template = compile_template(source)
    analysis = template.analyze(include_partials=False)
    paths = {tuple(str(part) for part in v.segments) for v_s in analysis.globals.values() for v in v_s}
    return TemplateReferences(tuple(sorted(paths)), frozenset(analysis.filters))


@lru_cache(maxsize=8192)
def _compile_cached(source: str) -> BoundTemplate | InvalidTemplate:
    try:
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise InvalidTemplate(f"it has more than {MAX_SOURCE_CHARACTERS // 1024} KB")
        template = _environment.from_string(_with_bracket_notation(source))
        _replace_expressions(template)
        return template
    except InvalidTemplate as error:
        return error
    except Exception as error:
        return InvalidTemplate(_first_line(error))


def _replace_expressions(template: BoundTemplate) -> None:
    """Replace expressions by our subclasses, for which the library has no hook, and limit their number of parts."""
    context = _Context(template)
    nodes = list(template.nodes)
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        parts = list(node.expressions())
        for expression in parts:
            parts += expression.children()
            if len(parts) > MAX_EXPRESSION_PARTS:
                raise InvalidTemplate(f"an expression has more than {MAX_EXPRESSION_PARTS} parts")
            if replacement := REPLACED_EXPRESSIONS.get(type(expression)):
                expression.__class__ = replacement


def _checked_length(text: str) -> str:
    if len(text) * 4 > MAX_RENDERED_BYTES and len(text.encode()) > MAX_RENDERED_BYTES:
        raise RenderedTextTooLong(text[:80])
    return text


def _first_line(error: Exception) -> str:
    message = error.message if isinstance(error, LiquidError) and error.message else str(error)
    cause = error.__cause__
    if message == "unexpected liquid parsing error" and cause is not None:
        message = str(cause)
    return str(message).partition("\n")[0] or type(error).__name__


__all__ = [
    "FILTERS",
    "TAGS",
    "Budget",
    "InvalidTemplate",
    "RenderedTextTooLong",
    "TemplateReferences",
    "compile_template",
    "render",
    "template_references",
]
