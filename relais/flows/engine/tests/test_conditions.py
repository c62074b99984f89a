"""The conditions, with the examples of Twilio's documentation and our own."""

import pytest

from relais.flows.engine.conditions import CONDITIONS, condition_holds


@pytest.mark.parametrize(
    ("argument", "type_", "value", "expected"),
    [
        # documented
        ("900", "greater_than", "1000", False),
        ("6", "regex", "[1-5]", False),
        ("YES", "matches_any_of", "yes,yeah,yup", True),
        ("2019-08-12", "is_after_date", "2017-09-04", True),
        ("17:00", "is_before_time", "16:35", False),
        (" Hoot", "starts_with", "hoo", True),
        ("aab", "contains", "A", True),
        # ours
        ("Oui ", "equal_to", " oui", True),
        ("ÉTÉ", "equal_to", "été", True),
        ("non", "not_equal_to", "NON", False),
        ("no", "does_not_match_any_of", "yes, NO", False),
        ("maybe", "does_not_match_any_of", "yes, no", True),
        ("", "matches_any_of", "yes,,no", False),
        (" \n\t", "is_blank", "Is Blank", True),
        ("x", "is_blank", "x", False),
        ("0", "is_not_blank", "", True),
        ("5", "regex", "[1-5]", True),
        ("55", "regex", "[1-5]", False),
        ("BONJOUR à tous", "regex", "bonjour.*", True),
        ("abc", "regex", r"\D+", True),
        ("Ç1", "regex", r"\p{L}\d", True),
        ("abc", "does_not_contain", "B", False),
        ("abc", "does_not_start_with", "b", True),
        ("10", "less_than", "9", False),
        ("9.5", "less_than", "9.50001", True),
        ("-1", "less_than", "0", True),
        ("nine", "less_than", "10", False),
        ("10", "greater_than", "ten", False),
        ("", "greater_than", "0", False),
        ("nan", "greater_than", "0", False),
        ("infinity", "greater_than", "0", False),
        ("1_0", "greater_than", "0", False),
        ("09:00", "is_before_time", "17:30", True),
        ("9:00", "is_before_time", "17:30", True),
        ("25:00", "is_after_time", "17:30", False),
        ("18h", "is_after_time", "17:30", False),
        ("2025-02-30", "is_before_date", "2026-01-01", False),
        ("2025-01-31", "is_before_date", "2025-02-01", True),
        ("31/01/2025", "is_before_date", "2026-01-01", False),
        ("2025-02-01", "is_before_date", "2025-02-01", False),
        ("2025-02-01", "is_after_date", "2025-02-01", False),
    ],
)
def test_condition_holds_or_not(argument, type_, value, expected):
    assert condition_holds(type_, argument, value) is expected


def test_every_condition_has_an_example():
    assert len(CONDITIONS) == 17
