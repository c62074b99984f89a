"""Liquid filters: our own beside the standard ones, and the limits that all of them get."""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import parser as dates
from liquid import RenderContext
from liquid.exceptions import FilterError
from liquid.filter import liquid_filter, string_filter, with_context
from liquid.undefined import is_undefined

from relais.flows.engine.budget import Budget, weight_of
from relais.flows.engine.values import json_text

Filter = Callable[..., Any]

NOW = "the moment of this step"
BUDGET = "the budget of this template"
MAX_TEXT_CHARACTERS = 64 * 1024
MAX_LIST_ITEMS = 2_048
CONSTANT_COST_FILTERS = frozenset({"size", "first", "last"})
MAX_NUMBER_BITS = 1024
MAX_DATE_CHARACTERS = 64
FILTER_OPERATIONS = 5
WEIGHT_PER_OPERATION = 32
COST_FACTORS = {
    "strip_html": 64,
    "url_encode": 16,
    "url_decode": 16,
    "escape_once": 8,
    "date": 400,
    "sort": 16,
    "sort_natural": 16,
}
"""Factors of the usual cost."""
NUMERIC_FILTERS = frozenset(
    ("abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round", "times")
)
_QUOTED = re.compile(r"""\s*(["'])\s*([-+]?[0-9]+(?:\.[0-9]+)?)\s*\1\s*""")
_UNESCAPED = re.compile(r"""["'<>]|&(?!(?:[a-zA-Z]+|#\d+);)""")


@dataclass(frozen=True)
class StepTime:
    """The time of a step, and the flow's time zone."""

    at: datetime
    zone_name: str

    @property
    def zone(self) -> tzinfo:
        """The zone, loaded only when a template reads the time."""
        try:
            return ZoneInfo(self.zone_name)
        except (KeyError, ValueError, OSError) as error:
            raise FilterError(f"there is no time zone {self.zone_name}", token=None) from error

    @property
    def local(self) -> datetime:
        return self.at.astimezone(self.zone)


def custom_filters() -> Mapping[str, Filter]:
    return {"to_json": to_json, "date": date, "escape": escape, "escape_once": escape_once}


@string_filter
def escape(value: str) -> str:
    """HTML escaping with `&#39;` as in Liquid; Python's own writes `&#x27;`."""
    return html.escape(value).replace("&#x27;", "&#39;")


@string_filter
def escape_once(value: str) -> str:
    return _UNESCAPED.sub(lambda match: escape(match[0]), value)


@liquid_filter
def to_json(value: object) -> str:
    if is_undefined(value):
        return "null"
    return json_text(list(value) if isinstance(value, range) else value)


@with_context
@liquid_filter
def date(value: object, date_format: object = "", *, context: RenderContext) -> str:
    """Liquid's `date`; "now" is the step's time, and a time without a zone is in the flow's zone."""
    if value is None or is_undefined(value):
        return ""
    step_time = context.globals[NOW]
    assert isinstance(step_time, StepTime)
    parsed_date = _parse_date(value, step_time)
    if parsed_date is None or is_undefined(date_format) or not date_format:
        return str(value)
    return parsed_date.strftime(_portable_format(str(date_format), parsed_date))


def _parse_date(value: object, step_time: StepTime) -> datetime | None:
    text = str(value).strip()
    if text.casefold() in ("now", "today"):
        return step_time.local
    if isinstance(value, (int, float)) or text.isdigit():
        try:
            return datetime.fromtimestamp(float(text), step_time.zone)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str) or not text or len(text) > MAX_DATE_CHARACTERS:
        return None
    try:
        # What a date leaves out, such as the day of "10:00", is taken from today.
        midnight = step_time.local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        parsed_date: datetime = dates.parse(text, default=midnight)
    except (ValueError, OverflowError):
        return None
    return parsed_date if parsed_date.tzinfo else parsed_date.replace(tzinfo=step_time.zone)


def _portable_format(date_format: str, parsed_date: datetime) -> str:
    """The format with the directives replaced that C lacks, or that it computes in the machine's own zone."""
    replacements = {
        "%s": str(int(parsed_date.timestamp())),
        "%L": f"{parsed_date.microsecond // 1000:03d}",
        "%N": f"{parsed_date:%f}000",
    }
    return re.sub("%%|%[sLN]", lambda match: replacements.get(match[0], match[0]), date_format)


def with_limits(name: str, filter_: Filter) -> Filter:
    """The filter with limits: a short template must not use up the memory of the process."""
    takes_context = getattr(filter_, "with_context", False)

    @wraps(filter_)
    def limited(value: object, *arguments: Any, context: RenderContext, **options: Any) -> object:
        _charge(context.globals[BUDGET], name, value, arguments)
        if takes_context:
            options["context"] = context
        if name in NUMERIC_FILTERS:
            value, arguments = _unquoted(value), tuple(map(_unquoted, arguments))
        for argument in (value, *arguments):
            if (
                name not in CONSTANT_COST_FILTERS
                and isinstance(argument, (list, range))
                and len(argument) > MAX_LIST_ITEMS
            ):
                raise FilterError(f"{name}: a list of more than {MAX_LIST_ITEMS} items", token=None)
        if (name.startswith("replace") or name == "join") and _max_result_length(
            value, arguments
        ) > MAX_TEXT_CHARACTERS:
            raise FilterError(f"{name}: more than {MAX_TEXT_CHARACTERS // 1024} KB of text", token=None)
        return _checked_size(name, filter_(value, *arguments, **options))

    return with_context(limited)


def _charge(budget: object, name: str, value: object, arguments: tuple[object, ...]) -> None:
    assert isinstance(budget, Budget)
    budget.spend(FILTER_OPERATIONS)
    if name in CONSTANT_COST_FILTERS:
        return
    weight = sum(weight_of(argument) for argument in (value, *arguments))
    budget.spend((1 + weight // WEIGHT_PER_OPERATION) * COST_FACTORS.get(name, 1))
    if name == "uniq" and isinstance(value, list):
        # It compares each item with all before it.
        budget.spend(len(value) * weight // 128)


def _unquoted(value: object) -> object:
    """A number in quotes counts as a number for filters that compute."""
    match = _QUOTED.fullmatch(value) if isinstance(value, str) and len(value) < 64 else None
    return match[2] if match else value


def _max_result_length(value: object, arguments: tuple[Any, ...]) -> int:
    """The maximal length of what `replace` and `join` return, computed before they run."""
    if isinstance(value, list):
        return (len(str(arguments[0])) if arguments else 1) * len(value) + sum(
            len(str(item)) for item in value
        )
    text, (old, new, *_) = str(value), (*map(str, arguments), "", "")
    times = text.count(old) if old else len(text) + 1
    return len(text) + times * max(0, len(new) - len(old))


def _checked_size(name: str, result: object) -> object:
    if isinstance(result, str) and len(result) > MAX_TEXT_CHARACTERS:
        raise FilterError(f"{name}: more than {MAX_TEXT_CHARACTERS // 1024} KB of text", token=None)
    if isinstance(result, int) and result.bit_length() > MAX_NUMBER_BITS:
        raise FilterError(f"{name}: a number too large", token=None)
    return result
