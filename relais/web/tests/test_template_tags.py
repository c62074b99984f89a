"""Template tags: initials, avatars, durations, times, brand and icons."""

from datetime import UTC, datetime, timedelta

import pytest

from relais.web.templatetags.relais import avatar, duration, initials, insert_brand, moment, tint
from relais.web.times import format_time


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Fatou Ndiaye", "FN"),
        ("Jean-Pierre de la Tour", "JT"),
        ("awa", "A"),
        ("محمد علي", "مع"),
        ("+212 600-000042", "42"),
        ("🚗 Ali", "A"),
        ("", "?"),
        (None, "?"),
    ],
)
def test_initials(name, shown):
    assert initials(name) == shown


def test_a_name_has_a_constant_colour():
    assert tint("Fatou") == tint("Fatou")
    assert {tint(f"Client {number}") for number in range(200)} == set(range(8))


def test_a_name_is_escaped():
    assert "<b>" not in avatar("<b> >x")


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (20, "< 1 min"),
        (4 * 60, "4 min"),
        (70 * 60, "1 h 10"),
        (timedelta(hours=26), "1 j 2 h"),
        (-5, "< 1 min"),
        (None, ""),
    ],
)
def test_durations(length, shown):
    assert duration(length) == shown


def test_a_time_is_readable_without_scripts_and_exact_for_them():
    at = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
    assert moment(at, "clock") == f'<time datetime="{at.isoformat()}" data-time="clock">14:05</time>'
    assert moment(None) == ""


@pytest.mark.parametrize(
    ("days_ago", "shown"),
    [(0, "à 14:05"), (1, "hier à 14:05"), (3, "vendredi à 14:05"), (8, "le 22 févr. à 14:05")],
)
def test_a_time_in_a_sentence(days_ago, shown):
    now = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    assert format_time(now.replace(hour=14, minute=5) - timedelta(days=days_ago), "at", now=now) == shown


def test_the_brand_is_inserted():
    assert insert_brand("Ici {marque}.", "Étoile") == "Ici Étoile."


def test_a_cached_icon_is_the_same_as_the_library_s():
    from django.template import engines
    from lucide.templatetags import lucide as library

    template = engines["django"].from_string('{% lucide "bot" size=14 aria_hidden="true" %}')
    drawn = library.lucide("bot", size=14, aria_hidden="true")
    assert template.render() == drawn
    assert template.render() == drawn
