"""Arabic: pages from right to left, months of Morocco, plural forms, and styles without a left and a right."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone, translation
from django.utils.translation import ngettext

import relais
from relais.web.templatetags.relais import lucide
from relais.web.times import format_duration, format_time

CSS_FILES = sorted(
    file for file in Path(relais.__file__).parent.glob("*/static/**/*.css") if "emulator" not in file.parts
)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
PHYSICAL = re.compile(
    r"""(?<![\w-])(?:
        (?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right)\b
      | border-(?:top|bottom)-(?:left|right)-radius
      | (?:left|right)\s*:
      | (?:text-align|float|clear)\s*:\s*(?:left|right)\b
    )""",
    re.VERBOSE,
)
pytestmark = pytest.mark.django_db
NOON = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)


def physical_properties(css):
    return PHYSICAL.findall(COMMENT.sub("", css))


@pytest.mark.parametrize("file", CSS_FILES, ids=lambda file: file.name)
def test_styles_name_start_and_end_only(file):
    assert physical_properties(file.read_text()) == []


@pytest.mark.parametrize(
    "css",
    ["a { margin-left: 1px }", "a{right:0}", "a { text-align: right; }", "a { border-top-left-radius: 1px }"],
)
def test_a_physical_property_is_found(css):
    assert physical_properties(css)


def test_a_page_in_arabic_names_its_region_and_direction(client):
    client.cookies["django_language"] = "ar"
    response = client.get("/accounts/login/")
    assert '<html lang="ar-MA" dir="rtl">' in response.content.decode()
    assert response["Content-Language"] == "ar-MA"
    assert "تسجيل الدخول" in response.content.decode()


def test_the_language_is_offered_in_its_own_name(client):
    assert "العربية</button>" in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (0, "لا مستشار"),
        (1, "مستشار واحد"),
        (2, "مستشاران"),
        (5, "5 مستشارين"),
        (15, "15 مستشارًا"),
        (100, "100 مستشار"),
    ],
)
def test_arabic_has_six_plural_forms(count, sentence):
    with translation.override("ar"):
        assert ngettext("%(n)s agent", "%(n)s agents", count) % {"n": count} == sentence


@pytest.mark.parametrize(
    ("kind", "age", "shown"),
    [
        ("clock", timedelta(hours=1), "11:00"),
        ("age", timedelta(seconds=12), "12 ث"),
        ("since", timedelta(minutes=4), "4 د"),
        ("day", timedelta(days=1), "أمس"),
        ("ago", timedelta(days=15), "5 غشت"),
        ("at", timedelta(days=15), "يوم 5 غشت على الساعة 12:00"),
        ("day", timedelta(days=15), "الأربعاء، 5 غشت"),
    ],
)
def test_times_have_the_months_of_morocco(kind, age, shown):
    with translation.override("ar"), timezone.override(UTC):
        assert format_time(NOON - age, kind, now=NOON) == shown


def test_durations_are_in_arabic():
    with translation.override("ar"):
        assert [format_duration(seconds) for seconds in (30, 240, 4200, 183_600)] == [
            "لحظات",
            "4 د",
            "1 س 10 د",
            "2 ي 3 س",
        ]


@pytest.mark.parametrize("name", ["arrow-left", "send", "chevron-right", "undo-2"])
def test_icons_that_point_are_mirrored(name):
    assert "mirror-rtl" in lucide(name)


@pytest.mark.parametrize("name", ["check", "check-check", "play", "bot"])
def test_ticks_and_media_controls_are_not_mirrored(name):
    assert "mirror-rtl" not in lucide(name)


def test_an_icon_keeps_its_own_class():
    assert 'class="mine mirror-rtl"' in lucide("send", **{"class": "mine"})
