"""The filters of ours beside the standard ones, and the bounds that all of them get."""

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
from relais.flows.engine.values import as_json_text

Filter = Callable[..., Any]

NOW = "the moment of this step"
BUDGET = "what the template may still compute"
LARGEST_TEXT = 64 * 1024
LARGEST_LIST = 2_048
CHEAP = frozenset({"size", "first", "last"})
LARGEST_NUMBER_BITS = 1024
LONGEST_DATE = 64
FILTER_OPERATIONS = 5
WEIGHT_PER_OPERATION = 32
EXPENSIVE = {
    "strip_html": 64,
    "url_encode": 16,
    "url_decode": 16,
    "escape_once": 8,
    "date": 400,
    "sort": 16,
    "sort_natural": 16,
}
"""How many times the usual they cost."""
NUMERIC = frozenset(
    ("abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "plus", "round", "times")
)
_QUOTED = re.compile(r"""\s*(["'])\s*([-+]?[0-9]+(?:\.[0-9]+)?)\s*\1\s*""")
_UNESCAPED = re.compile(r"""["'<>]|&(?!(?:[a-zA-Z]+|#\d+);)""")


@dataclass(frozen=True)
class Moment:
    at: datetime
    zone_name: str

    @property
    def zone(self) -> tzinfo:
        """Looked up only when a template asks for the time."""
        try:
            return ZoneInfo(self.zone_name)
        except (KeyError, ValueError, OSError) as error:
            raise FilterError(f"there is no time zone {self.zone_name}", token=None) from error

    @property
    def local(self) -> datetime:
        return self.at.astimezone(self.zone)


def our_filters() -> Mapping[str, Filter]:
    return {"to_json": to_json, "date": date, "escape": escape, "escape_once": escape_once}


@string_filter
def escape(value: str) -> str:
    """With `&#39;` as Liquid has it, where Python's own writes `&#x27;`."""
    return html.escape(value).replace("&#x27;", "&#39;")


@string_filter
def escape_once(value: str) -> str:
    return _UNESCAPED.sub(lambda found: escape(found[0]), value)


@liquid_filter
def to_json(value: object) -> str:
    if is_undefined(value):
        return "null"
    return as_json_text(list(value) if isinstance(value, range) else value)


@with_context
@liquid_filter
def date(value: object, form: object = "", *, context: RenderContext) -> str:
    """Liquid's `date`; "now" is the step's time, and a time without a zone is one of the flow's zone."""
    if value is None or is_undefined(value):
        return ""
    moment = context.globals[NOW]
    assert isinstance(moment, Moment)
    when = _when(value, moment)
    if when is None or is_undefined(form) or not form:
        return str(value)
    return when.strftime(_portable(str(form), when))


def _when(value: object, moment: Moment) -> datetime | None:
    text = str(value).strip()
    if text.casefold() in ("now", "today"):
        return moment.local
    if isinstance(value, (int, float)) or text.isdigit():
        try:
            return datetime.fromtimestamp(float(text), moment.zone)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str) or not text or len(text) > LONGEST_DATE:
        return None
    try:
        # What a date leaves out, such as the day of "10:00", is today's.
        midnight = moment.local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        when: datetime = dates.parse(text, default=midnight)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=moment.zone)


def _portable(form: str, when: datetime) -> str:
    """The directives that Ruby has and C has not, or counts from the machine's own zone."""
    ours = {"%s": str(int(when.timestamp())), "%L": f"{when.microsecond // 1000:03d}", "%N": f"{when:%f}000"}
    return re.sub("%%|%[sLN]", lambda found: ours.get(found[0], found[0]), form)


def bounded(name: str, filter_: Filter) -> Filter:
    """The filter, kept from making much out of little: a short template must not take the memory of the process."""

    takes_context = getattr(filter_, "with_context", False)

    @wraps(filter_)
    def within(value: object, *arguments: Any, context: RenderContext, **options: Any) -> object:
        _spend(context.globals[BUDGET], name, value, arguments)
        if takes_context:
            options["context"] = context
        if name in NUMERIC:
            value, arguments = _unquoted(value), tuple(map(_unquoted, arguments))
        for given in (value, *arguments):
            if name not in CHEAP and isinstance(given, (list, range)) and len(given) > LARGEST_LIST:
                raise FilterError(f"{name}: a list of more than {LARGEST_LIST} items", token=None)
        if (name.startswith("replace") or name == "join") and _largest(value, arguments) > LARGEST_TEXT:
            raise FilterError(f"{name}: more than {LARGEST_TEXT // 1024} KB of text", token=None)
        return _not_too_large(name, filter_(value, *arguments, **options))

    return with_context(within)


def _spend(budget: object, name: str, value: object, arguments: tuple[object, ...]) -> None:
    assert isinstance(budget, Budget)
    budget.spend(FILTER_OPERATIONS)
    if name in CHEAP:
        return
    weight = sum(weight_of(given) for given in (value, *arguments))
    budget.spend((1 + weight // WEIGHT_PER_OPERATION) * EXPENSIVE.get(name, 1))
    if name == "uniq" and isinstance(value, list):
        # Each item is compared with all before it.
        budget.spend(len(value) * weight // 128)


def _unquoted(value: object) -> object:
    """A number that is written in quotes is one for the filters that compute."""
    found = _QUOTED.fullmatch(value) if isinstance(value, str) and len(value) < 64 else None
    return found[2] if found else value


def _largest(value: object, arguments: tuple[Any, ...]) -> int:
    """What `replace` and `join` may come to, before they are let."""
    if isinstance(value, list):
        return (len(str(arguments[0])) if arguments else 1) * len(value) + sum(
            len(str(item)) for item in value
        )
    text, (old, new, *_) = str(value), (*map(str, arguments), "", "")
    times = text.count(old) if old else len(text) + 1
    return len(text) + times * max(0, len(new) - len(old))


def _not_too_large(name: str, made: object) -> object:
    if isinstance(made, str) and len(made) > LARGEST_TEXT:
        raise FilterError(f"{name}: more than {LARGEST_TEXT // 1024} KB of text", token=None)
    if isinstance(made, int) and made.bit_length() > LARGEST_NUMBER_BITS:
        raise FilterError(f"{name}: a number too large", token=None)
    return made
