"""The conditions of split-based-on. All of them ignore case, and spaces at the ends."""

import re
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from relais.flows.engine.regular_expressions import pattern

Comparison = Callable[[str, str], bool]


def condition_holds(type_: str, argument: str, value: str) -> bool:
    """Raises KeyError for an unknown type, InvalidPattern and MatchTimeout."""
    test, argument, value = CONDITIONS[type_], argument.strip(), value.strip()
    if test is matches_regex:
        # Lower case would turn \D into \d; the pattern itself ignores case.
        return test(argument, value)
    return test(argument.casefold(), value.casefold())


def equal_to(argument: str, value: str) -> bool:
    return argument == value


def matches_any_of(argument: str, value: str) -> bool:
    return argument in [choice.strip() for choice in value.split(",") if choice.strip()]


def is_blank(argument: str, value: str) -> bool:
    return not argument


def matches_regex(argument: str, value: str) -> bool:
    return pattern(value).matches(argument)


def contains(argument: str, value: str) -> bool:
    return value in argument


def starts_with(argument: str, value: str) -> bool:
    return argument.startswith(value)


def less_than(argument: str, value: str) -> bool:
    return _is_less(parse_decimal, argument, value)


def greater_than(argument: str, value: str) -> bool:
    return _is_less(parse_decimal, value, argument)


def is_before_time(argument: str, value: str) -> bool:
    return _is_less(parse_time_of_day, argument, value)


def is_after_time(argument: str, value: str) -> bool:
    return _is_less(parse_time_of_day, value, argument)


def is_before_date(argument: str, value: str) -> bool:
    return _is_less(parse_date, argument, value)


def is_after_date(argument: str, value: str) -> bool:
    return _is_less(parse_date, value, argument)


def _not(test: Comparison) -> Comparison:
    return lambda argument, value: not test(argument, value)


CONDITIONS: dict[str, Comparison] = {
    "equal_to": equal_to,
    "not_equal_to": _not(equal_to),
    "matches_any_of": matches_any_of,
    "does_not_match_any_of": _not(matches_any_of),
    "is_blank": is_blank,
    "is_not_blank": _not(is_blank),
    "regex": matches_regex,
    "contains": contains,
    "does_not_contain": _not(contains),
    "starts_with": starts_with,
    "does_not_start_with": _not(starts_with),
    "less_than": less_than,
    "greater_than": greater_than,
    "is_before_time": is_before_time,
    "is_after_time": is_after_time,
    "is_before_date": is_before_date,
    "is_after_date": is_after_date,
}
WITHOUT_VALUE = frozenset({"is_blank", "is_not_blank"})


def _is_less(parse: Callable[[str], Any], low: str, high: str) -> bool:
    """Whether `low` is less than `high`; False if either cannot be parsed."""
    low_value, high_value = parse(low), parse(high)
    return low_value is not None and high_value is not None and bool(low_value < high_value)


def parse_decimal(text: str) -> Decimal | None:
    if "_" in text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def parse_time_of_day(text: str) -> time | None:
    if not re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
        return None
    try:
        hour, minute, second = map(int, f"{text}:0".split(":")[:3])
        return time(hour, minute, second)
    except ValueError:
        return None


def parse_date(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
