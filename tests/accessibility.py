"""What axe-core finds on a page, for stories in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SERIOUS = {"serious", "critical"}
ALWAYS = {"listitem", "target-size"}
"""Rules that count whatever weight axe-core gives them."""
THEMES = {
    "light": {"type": "tag", "values": RULES},
    "dark": {"type": "rule", "values": ["color-contrast"]},
}
"""What is looked for in each theme: in the dark only colours can differ."""


def violations(page: Page, theme: str, where: str) -> Iterator[str]:
    """One line for each rule that the page breaks, wide and narrow."""
    for size, viewport in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        options = {"runOnly": THEMES[theme], "resultTypes": ["violations"]}
        for violation in Axe().run(page, options=options).response["violations"]:
            if violation["impact"] in SERIOUS or violation["id"] in ALWAYS:
                nodes = [(node["html"][:160], node["failureSummary"]) for node in violation["nodes"][:3]]
                yield f"{where} ({size}, {theme}): {violation['id']}, {violation['help']}: {nodes}"


def in_theme(theme: str) -> Callable[[Page], None]:
    # Before the page is loaded: a page that changes its theme under way is measured half and half.
    return lambda page: page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
