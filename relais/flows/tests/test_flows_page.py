"""docs/flows.md names every widget, event, condition, tag, filter, limit and problem, and no others."""

import re
from pathlib import Path

import relais.flows.check
from relais.flows.engine import limits
from relais.flows.engine.conditions import CONDITIONS
from relais.flows.engine.liquid_templates import FILTERS, TAGS
from relais.flows.engine.widgets import WIDGET_TYPES

ROOM = Path(relais.flows.check.__file__).parent
PAGE = (ROOM.parents[1] / "docs" / "flows.md").read_text()


def rows(heading):
    section = re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]


def names(text):
    return re.findall(r"`([^`]+)`", text)


def test_widgets_and_their_events():
    documented = {names(row[0])[0]: set(names(row[1])) for row in rows("Widgets") if names(row[0])}
    assert documented == {kind.type: set(kind.events) for kind in WIDGET_TYPES.values()}


def test_conditions():
    assert {name for row in rows("Conditions") for name in names(row[0])} == set(CONDITIONS)


def test_tags_and_filters():
    tags, *filters = [set(names(row[1])) for row in rows("Liquid") if names(row[1])]
    assert tags == TAGS
    assert set.union(*filters) == FILTERS


def test_limits():
    documented = {name for row in rows("Limits") for name in names(row[1])}
    assert documented == set(limits.END_REASON_TEXTS) - {limits.END_COMPLETED}
    for number in (
        f"{limits.MAX_STEPS:,}",
        str(limits.MAX_RUNS_IN_A_ROW),
        str(limits.MAX_LOOP_ROUNDS),
        f"{limits.DEFAULT_WAIT_SECONDS:,}",
        "16 KB",
        "64 KB",
    ):
        assert any(number in row[0] + row[1] for row in rows("Limits")), number
    assert (limits.MAX_RENDERED_BYTES, limits.MAX_RESPONSE_BYTES, limits.MAX_EXECUTION_AGE.days) == (
        16 << 10,
        64 << 10,
        30,
    )


def test_problems():
    sources = [file for file in ROOM.rglob("*.py") if "tests" not in file.parts]
    codes = {code for file in sources for code in re.findall(r'Problem\(\s*"(\w+)"', file.read_text())}
    assert {name for row in rows("What `relais flow check` finds") for name in names(row[1])} == codes
