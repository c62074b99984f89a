"""A small bundler: joins a style sheet or an ES module with its imports into one file, as text and without tools.

Lines that are comments stay out of the bundles: they are a fifth of what a browser would load.

It supports the import and export forms that our own files use; anything else raises CannotBundle.
"""

from __future__ import annotations

import re
from collections.abc import Callable

ReadFile = Callable[[str], str]
"""Gives the text of a file by its name, from one folder."""

STYLE_IMPORT = re.compile(r'^@import "\./([\w.-]+)";\n', re.MULTILINE)
MODULE_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([\w.-]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^[^\S\n]*//.*\n", re.MULTILINE)
STYLE_COMMENT = re.compile(r"^[^\S\n]*/\*[^*]*\*/[^\S\n]*\n", re.MULTILINE)
UNSUPPORTED = re.compile(r"^(?:import|export)\b.*|\bimport\s*[(.].*", re.MULTILINE)


class CannotBundle(Exception):
    """A file uses an import or export form that is not supported."""


def is_style_bundle(text: str) -> bool:
    return STYLE_IMPORT.search(text) is not None


def is_module_bundle(text: str) -> bool:
    """Whether a module consists of imports only."""
    return MODULE_IMPORT.search(text) is not None and not COMMENT.sub("", MODULE_IMPORT.sub("", text)).strip()


def style_bundle(name: str, read: ReadFile) -> str:
    """Concatenate the imported sheets in their order, on which the cascade depends."""
    return STYLE_IMPORT.sub(lambda match: f"/* {match[1]} */\n{_sheet(match[1], read)}\n", read(name))


def _sheet(name: str, read: ReadFile) -> str:
    text = read(name)
    if "@import" in text or "url(" in text:
        raise CannotBundle(f"{name} imports or names a file: write that in the sheet that imports {name}.")
    return STYLE_COMMENT.sub("", text).rstrip("\n")


def module_bundle(name: str, read: ReadFile) -> str:
    """Wrap each module in a function, after its dependencies (topological order); each runs once."""
    return "\n".join(_wrap(module, read(module)) for module in _in_dependency_order(name, read, []))


def _in_dependency_order(name: str, read: ReadFile, importers: list[str]) -> list[str]:
    if name in importers:
        raise CannotBundle(f"{name} imports itself by way of {importers[-1]}.")
    order: list[str] = []
    for _names, imported in MODULE_IMPORT.findall(read(name)):
        dependencies = _in_dependency_order(imported, read, [*importers, name])
        order += [module for module in dependencies if module not in order]
    return [*order, name]


def _wrap(name: str, text: str) -> str:
    exported = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", MODULE_IMPORT.sub(_destructuring, COMMENT.sub("", text))).rstrip("\n")
    if unsupported := UNSUPPORTED.search(body):
        raise CannotBundle(f"{name}: cannot join « {unsupported[0].strip()} ».")
    return f"// {name}\nconst {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"


def _destructuring(match: re.Match[str]) -> str:
    names, module = match.groups()
    return f"const {{{names.replace(' as ', ': ')}}} = {_variable(module)};\n" if names else ""


def _variable(module: str) -> str:
    return "$" + re.sub(r"\W", "_", module.removesuffix(".js"))
