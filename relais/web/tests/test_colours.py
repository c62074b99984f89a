"""Contrast of text on its background, in both themes: at least 4.5 to 1 (WCAG AA)."""

import re
from math import cos, radians, sin
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[1] / "static/css/tokens.css").read_text()
DEFINED = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", TOKENS))
LIGHT, DARK = 0, 1
ON_SURFACES = ["ink", "ink-soft", "ink-faint", "accent", "attention", "danger", "good", "info", "note"]
PAIRS = [
    *((text, surface) for text in ON_SURFACES for surface in ("surface", "surface-raised", "surface-sunken")),
    *((meaning, f"{meaning}-soft") for meaning in ("accent", "attention", "danger", "good", "info", "note")),
    *(("ink", f"{meaning}-soft") for meaning in ("attention", "danger", "good", "info", "note")),
    ("ink-soft", "note-soft"),
    ("surface-raised", "note"),
    ("on-accent", "accent"),
    ("ink", "bubble-client"),
    ("ink", "bubble-bot"),
    ("ink-soft", "bubble-bot"),
    ("on-bubble-agent", "bubble-agent"),
    ("surface-raised", "attention"),
]


def oklch(name, theme):
    value = DEFINED[f"--{name}"]
    if reference := re.fullmatch(r"var\(--([\w-]+)\)", value):
        return oklch(reference[1], theme)
    colours = re.findall(r"oklch\(([^)]+)\)", value)
    return tuple(map(float, colours[theme if len(colours) > 1 else 0].split()))


def luminance(colour):
    """Relative luminance of an OKLCH colour, converted to linear sRGB (matrices by Björn Ottosson)."""
    lightness, chroma, hue = colour
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    red, green, blue = (min(1, max(0, part)) for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text, ground, theme):
    bright, dim = sorted((luminance(oklch(text, theme)), luminance(oklch(ground, theme))), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_the_contrast_is_sufficient(text, ground, theme):
    assert contrast(text, ground, theme) >= 4.5


def test_black_on_white_is_21_to_1():
    assert luminance((1, 0, 0)) == pytest.approx(1, abs=0.001)
    assert luminance((0, 0, 0)) == 0
