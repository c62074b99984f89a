"""Templates stay readable: no line is longer than 160 characters."""

from pathlib import Path

import pytest

import relais

PACKAGE = Path(relais.__file__).parent
TEMPLATES = sorted(path for path in PACKAGE.rglob("templates/**/*") if path.is_file())
MAX_LINE_CHARACTERS = 160


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_line_is_too_long(path):
    lines = path.read_text().splitlines()
    assert [n for n, line in enumerate(lines, start=1) if len(line) > MAX_LINE_CHARACTERS] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_tag_spans_two_lines(path):
    """Django takes such a tag for text and prints it."""
    unclosed = [line for line in path.read_text().splitlines() if line.count("{%") != line.count("%}")]
    assert unclosed == []
