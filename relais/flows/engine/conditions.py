"""The conditions of split-based-on. None of them minds case, or spaces at the ends."""

import re
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from relais.flows.engine.regular_expressions import pattern

Test = Callable[[str, str], bool]


def holds(type_: str, argument: str, value: str) -> bool:
    """Raises KeyError for an unknown type, BadPattern and MatchTimeout."""
    test, argument, value = CONDITIONS[type_], argument.strip(), value.strip()
    if test is matches:
        # Lower case would turn \D into \d; the pattern itself minds no case.
        return test(argument, value)
    return test(argument.casefold(), value.casefold())


def equal(argument: str, value: str) -> bool:
    return argument == value


def any_of(argument: str, value: str) -> bool:
    return argument in [choice.strip() for choice in value.split(",") if choice.strip()]


def blank(argument: str, value: str) -> bool:
    return not argument


def matches(argument: str, value: str) -> bool:
    return pattern(value).matches(argument)


def contains(argument: str, value: str) -> bool:
    return value in argument


def starts(argument: str, value: str) -> bool:
    return argument.startswith(value)


def less(argument: str, value: str) -> bool:
    return _ordered(number, argument, value)


def greater(argument: str, value: str) -> bool:
    return _ordered(number, value, argument)


def before_time(argument: str, value: str) -> bool:
    return _ordered(time_of_day, argument, value)


def after_time(argument: str, value: str) -> bool:
    return _ordered(time_of_day, value, argument)


def before_date(argument: str, value: str) -> bool:
    return _ordered(day, argument, value)


def after_date(argument: str, value: str) -> bool:
    return _ordered(day, value, argument)


def _not(test: Test) -> Test:
    return lambda argument, value: not test(argument, value)


CONDITIONS: dict[str, Test] = {
    "equal_to": equal,
    "not_equal_to": _not(equal),
    "matches_any_of": any_of,
    "does_not_match_any_of": _not(any_of),
    "is_blank": blank,
    "is_not_blank": _not(blank),
    "regex": matches,
    "contains": contains,
    "does_not_contain": _not(contains),
    "starts_with": starts,
    "does_not_start_with": _not(starts),
    "less_than": less,
    "greater_than": greater,
    "is_before_time": before_time,
    "is_after_time": after_time,
    "is_before_date": before_date,
    "is_after_date": after_date,
}
WITHOUT_VALUE = frozenset({"is_blank", "is_not_blank"})


def _ordered(read: Callable[[str], Any], low: str, high: str) -> bool:
    """Whether `low` is below `high`; false when either is not what it should be."""
    below, above = read(low), read(high)
    return below is not None and above is not None and bool(below < above)


def number(text: str) -> Decimal | None:
    if "_" in text:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def time_of_day(text: str) -> time | None:
    if not re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
        return None
    try:
        hour, minute, second = map(int, f"{text}:0".split(":")[:3])
        return time(hour, minute, second)
    except ValueError:
        return None


def day(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
