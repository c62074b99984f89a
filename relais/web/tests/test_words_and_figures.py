"""Names, durations and moments as pages show them."""

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
def test_initials_say_who_it_is(name, shown):
    assert initials(name) == shown


def test_a_name_keeps_its_tint():
    assert tint("Fatou") == tint("Fatou")
    assert {tint(f"Client {number}") for number in range(200)} == set(range(8))


def test_a_name_is_never_markup():
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
def test_durations_read_at_a_glance(length, shown):
    assert duration(length) == shown


def test_a_moment_can_be_read_without_scripts_and_is_exact_for_them():
    at = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
    assert moment(at, "clock") == f'<time datetime="{at.isoformat()}" data-time="clock">14:05</time>'
    assert moment(None) == ""


@pytest.mark.parametrize(
    ("days_ago", "said"),
    [(0, "à 14:05"), (1, "hier à 14:05"), (3, "vendredi à 14:05"), (8, "le 22 févr. à 14:05")],
)
def test_a_moment_within_a_sentence_is_said_in_words(days_ago, said):
    now = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    assert format_time(now.replace(hour=14, minute=5) - timedelta(days=days_ago), "at", now=now) == said


def test_the_brand_stands_where_the_text_says():
    assert insert_brand("Ici {marque}.", "Étoile") == "Ici Étoile."


def test_an_icon_is_what_the_library_draws_however_often_it_is_asked_for():
    from django.template import engines
    from lucide.templatetags import lucide as library

    template = engines["django"].from_string('{% lucide "bot" size=14 aria_hidden="true" %}')
    drawn = library.lucide("bot", size=14, aria_hidden="true")
    assert template.render() == drawn
    assert template.render() == drawn
