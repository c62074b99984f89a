"""The arrows between the rooms point one way: which room may import which.

`python -m relais.ops.arrows` names every import that goes against them.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent

# What a room may import besides itself. Whatever is not a room (environment, settings, cli …) is wiring;
# `text` is for every room but the engine, `typography` for those that write French.
MAY_IMPORT = {
    "accounts": {"environment", "text"},
    "clients": {"environment", "text"},
    "company": {"environment", "text", "typography", "accounts"},
    "live": {"environment", "text"},
    "web": {"environment", "text", "typography", "accounts", "company", "live"},
    "conversations": {"environment", "text", "accounts", "clients", "company", "live"},
    "whatsapp": {"environment", "text", "accounts", "clients", "company", "live", "conversations"},
    "flows": {
        "environment",
        "text",
        "typography",
        "accounts",
        "clients",
        "company",
        "live",
        "conversations",
        "flows.engine",
    },
    "flows.engine": set(),
    "emulator": {"environment", "text", "typography"},
    "ops": {"environment", "text", "dotenv", "data_folder"},
}
EVERYWHERE = {*MAY_IMPORT, *MAY_IMPORT["ops"]}
# They look at all the others, and no room looks at them.
MAY_IMPORT |= {"bench": EVERYWHERE | {"ops.watch"}, "ops.doctor": EVERYWHERE, "ops.watch": EVERYWHERE}


def against_the_arrows() -> list[str]:
    return [
        f"{file.relative_to(PACKAGE.parent)}:{line}: {room} may not import {other}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if (room := _room(_parts(file))) in MAY_IMPORT and "tests" not in file.parts
        for line, other in _imported_rooms(file)
        if other != room and other not in MAY_IMPORT[room]
    ]


def _parts(file: Path) -> tuple[str, ...]:
    return file.relative_to(PACKAGE).with_suffix("").parts


def _room(parts: tuple[str, ...]) -> str:
    within = ".".join(parts[:2])
    return within if within in MAY_IMPORT else parts[0]


def _imported_rooms(file: Path) -> Iterator[tuple[int, str]]:
    package = ("relais", *_parts(file)[:-1])
    for node in ast.walk(ast.parse(file.read_text())):
        for name in _names(node, package):
            if name[0] == "relais" and len(name) > 1:
                yield node.lineno, _room(name[1:])  # type: ignore[attr-defined]


def _names(node: ast.AST, package: tuple[str, ...]) -> list[tuple[str, ...]]:
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = base + tuple(node.module.split(".") if node.module else ())
        # `from relais import clients` names a room as well as `from relais.clients import …`.
        return [(*module, alias.name) for alias in node.names]
    return []


if __name__ == "__main__":
    found = against_the_arrows()
    print("\n".join(found))
    sys.exit(1 if found else 0)
