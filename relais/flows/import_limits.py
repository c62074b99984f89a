"""What the import of a flow accepts, by page and by command: the size of its definition, its name."""

from __future__ import annotations

from relais.text import has_visible_characters

MAX_DEFINITION_BYTES = 1024 * 1024
MAX_FLOW_NAME_CHARACTERS = 80


def is_flow_name(name: str) -> bool:
    return len(name) <= MAX_FLOW_NAME_CHARACTERS and "\x00" not in name and has_visible_characters(name)
