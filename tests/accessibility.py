"""Accessibility checks of a page with axe-core, for browser tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
REPORTED_IMPACTS = {"serious", "critical"}
ALWAYS_REPORTED_RULES = {"listitem", "target-size"}
"""Reported whatever their impact."""
THEMES = {
    "light": {"type": "tag", "values": RULES},
    "dark": {"type": "rule", "values": ["color-contrast"]},
}
"""The rules of each theme: in the dark one only colours can differ."""


def violations(page: Page, theme: str, page_name: str) -> Iterator[str]:
    """A line for each rule that the page violates, on a wide and a narrow screen."""
    for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        options = {"runOnly": THEMES[theme], "resultTypes": ["violations"]}
        for violation in Axe().run(page, options=options).response["violations"]:
            if violation["impact"] in REPORTED_IMPACTS or violation["id"] in ALWAYS_REPORTED_RULES:
                nodes = [(node["html"][:160], node["failureSummary"]) for node in violation["nodes"][:3]]
                yield f"{page_name} ({size}, {theme}): {violation['id']}, {violation['help']}: {nodes}"


def in_theme(theme: str) -> Callable[[Page], None]:
    # Before the page is loaded: after a change of theme, axe-core measures colours in transition.
    return lambda page: page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
