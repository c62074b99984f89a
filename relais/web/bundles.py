"""Joins what a page asks for into one file, as text and without tools: style sheets by their imports, modules too.

Only the plain forms that our own files use are understood; anything else stops the collecting with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Read = Callable[[str], str]
"""The text of a file, by its name within the same folder."""

STYLE_IMPORT = re.compile(r'^@import "\./([\w.-]+)";\n', re.MULTILINE)
MODULE_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([\w.-]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
NOT_UNDERSTOOD = re.compile(r"^(?:import|export)\b.*|\bimport\s*[(.].*", re.MULTILINE)


class CannotBundle(Exception):
    """A file uses a form that is not understood here."""


def is_style_bundle(text: str) -> bool:
    return STYLE_IMPORT.search(text) is not None


def is_module_bundle(text: str) -> bool:
    """A module that does nothing but import others."""
    return MODULE_IMPORT.search(text) is not None and not COMMENT.sub("", MODULE_IMPORT.sub("", text)).strip()


def style_bundle(name: str, read: Read) -> str:
    """The sheets one after the other, in the order they are imported: the order of layers depends on it."""
    return STYLE_IMPORT.sub(lambda found: f"/* {found[1]} */\n{_sheet(found[1], read)}\n", read(name))


def _sheet(name: str, read: Read) -> str:
    text = read(name)
    if "@import" in text or "url(" in text:
        raise CannotBundle(f"{name} imports or names a file: write that in the sheet that imports {name}.")
    return text.rstrip("\n")


def module_bundle(name: str, read: Read) -> str:
    """Each module in a function of its own, after those it imports; each runs once."""
    return "\n".join(_wrapped(each, read(each)) for each in _in_order(name, read, []))


def _in_order(name: str, read: Read, above: list[str]) -> list[str]:
    if name in above:
        raise CannotBundle(f"{name} imports itself by way of {above[-1]}.")
    order: list[str] = []
    for _names, imported in MODULE_IMPORT.findall(read(name)):
        order += [each for each in _in_order(imported, read, [*above, name]) if each not in order]
    return [*order, name]


def _wrapped(name: str, text: str) -> str:
    exported = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", MODULE_IMPORT.sub(_taken_from, text)).rstrip("\n")
    if unknown := NOT_UNDERSTOOD.search(body):
        raise CannotBundle(f"{name}: cannot join « {unknown[0].strip()} ».")
    return f"// {name}\nconst {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"


def _taken_from(found: re.Match[str]) -> str:
    names, module = found.groups()
    return f"const {{{names.replace(' as ', ': ')}}} = {_variable(module)};\n" if names else ""


def _variable(module: str) -> str:
    return "$" + re.sub(r"\W", "_", module.removesuffix(".js"))
