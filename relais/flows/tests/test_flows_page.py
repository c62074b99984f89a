"""docs/flows.md names every widget, event, condition, tag, filter, limit and problem, and none that is not there."""

import re
from pathlib import Path

import relais.flows.check
from relais.flows.engine import limits
from relais.flows.engine.conditions import CONDITIONS
from relais.flows.engine.templates import FILTERS, TAGS
from relais.flows.engine.widgets import KINDS

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
    assert documented == {kind.type: set(kind.events) for kind in KINDS.values()}


def test_conditions():
    assert {name for row in rows("Conditions") for name in names(row[0])} == set(CONDITIONS)


def test_tags_and_filters():
    tags, *filters = [set(names(row[1])) for row in rows("Liquid") if names(row[1])]
    assert tags == TAGS
    assert set.union(*filters) == FILTERS


def test_limits():
    documented = {name for row in rows("Limits") for name in names(row[1])}
    assert documented == set(limits.REASONS) - {limits.COMPLETED}
    for number in (
        f"{limits.STEPS:,}",
        str(limits.IN_A_ROW),
        str(limits.LOOP),
        f"{limits.WAIT_SECONDS:,}",
        "16 KB",
        "64 KB",
    ):
        assert any(number in row[0] + row[1] for row in rows("Limits")), number
    assert (limits.RENDERED_BYTES, limits.ANSWER_BYTES, limits.EXECUTION.days) == (16 << 10, 64 << 10, 30)


def test_problems():
    sources = [file for file in ROOM.rglob("*.py") if "tests" not in file.parts]
    codes = {code for file in sources for code in re.findall(r'Problem\(\s*"(\w+)"', file.read_text())}
    assert {name for row in rows("What `relais flow check` finds") for name in names(row[1])} == codes
