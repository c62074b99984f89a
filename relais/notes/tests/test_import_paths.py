"""No sender can reach a note: no import path leads from this room to what sends to clients, also by way of others."""

import ast
import shutil
from pathlib import Path

import pytest

from relais.environment import ROOT
from relais.ops.tests.test_import_rules import copied_project, lint_imports  # noqa: F401 (a fixture)

SENDING = ("relais.conversations", "relais.whatsapp", "relais.flows")
PACKAGE = ROOT / "relais"


def modules_reached_from(start: str, package: Path) -> dict[str, list[str]]:
    """Each module that is imported from `start`, directly or not, with the path of imports to it."""
    paths = {file_name(package, file): [file_name(package, file)] for file in files_of(package, start)}
    queue = list(paths)
    while queue:
        module = queue.pop()
        for imported in imports_of(module, package):
            if imported not in paths:
                paths[imported] = [*paths[module], imported]
                queue.append(imported)
    return paths


def files_of(package: Path, module: str) -> list[Path]:
    folder = package.parent / module.replace(".", "/")
    return [file for file in folder.rglob("*.py") if "tests" not in file.relative_to(folder).parts]


def file_name(package: Path, file: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(module: str, package: Path) -> set[str]:
    base = package.parent / module.replace(".", "/")
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    candidates: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            candidates |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ""
            if node.level:
                above = module.split(".")[
                    : None if base.is_dir() and node.level == 1 else -node.level + base.is_dir()
                ]
                parent = ".".join([*above, *filter(None, [node.module])])
            candidates |= {parent} | {f"{parent}.{alias.name}" for alias in node.names}
    exists = [name for name in candidates if name.split(".")[0] == "relais" and is_module(name, package)]
    return {name for each in exists for name in with_parents(each)}


def is_module(name: str, package: Path) -> bool:
    path = package.parent / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts) + 1)]


def sending_modules(paths: dict[str, list[str]]) -> list[list[str]]:
    return [path for module, path in paths.items() if module.startswith(SENDING)]


def test_no_import_path_leads_from_notes_to_a_sender():
    paths = modules_reached_from("relais.notes", PACKAGE)
    assert {"relais.notes.views", "relais.accounts.models", "relais.web.responses"} <= paths.keys()
    assert sending_modules(paths) == []


def test_the_search_of_import_paths_finds_what_conversations_import():
    paths = modules_reached_from("relais.conversations", PACKAGE)
    assert {"relais.notes.models", "relais.conversations.outbound", "relais.accounts.models"} <= paths.keys()


@pytest.fixture
def copied_package(tmp_path: Path) -> Path:
    shutil.copytree(
        PACKAGE, tmp_path / "relais", ignore=shutil.ignore_patterns("static", "locale", "__pycache__")
    )
    return tmp_path / "relais"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("notes/planted.py", "from relais.conversations.outbound import SendMixin"),
        ("notes/planted.py", "def f():\n    from relais.whatsapp.outbound import sender"),
        ("notes/planted.py", "from ..conversations import outbox"),
        ("web/times.py", "from relais.conversations import outbound"),
        ("accounts/roles.py", "import relais.flows.runner"),
    ],
)
def test_a_planted_import_is_found(copied_package, file, line):
    with (copied_package / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert sending_modules(modules_reached_from("relais.notes", copied_package))


def test_the_linter_finds_a_planted_path_by_way_of_another_room(copied_project):  # noqa: F811
    (copied_project / "relais/web/planted.py").write_text("from relais.conversations import outbound")
    (copied_project / "relais/notes/planted.py").write_text("from relais.web import planted")
    code, output = lint_imports(copied_project)
    assert code == 1
    name = "no import path leads from notes to conversations, whatsapp or flows"
    assert f"{name} BROKEN" in " ".join(output.split())
