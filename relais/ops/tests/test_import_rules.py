import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from relais.environment import ROOT
from relais.ops.import_cycles import find_cycles

PACKAGE = ROOT / "relais"
TIMEOUT_SECONDS = 60


def _contracts() -> ConfigParser:
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    return config


ROOMS = sorted(
    {
        module.removeprefix("relais.")
        for section in _contracts().values()
        for module in section.get("source_modules", "").split()
    }
)
FORMS = (
    "import relais.conversations.models",
    "from relais import conversations",
    "from relais.conversations import models",
    "from ..conversations import models",
    "from .. import conversations",
    "def f():\n    from relais.conversations.models import Conversation",
)


@pytest.fixture
def copied_project(tmp_path: Path) -> Path:
    python_files = shutil.ignore_patterns("locale", "static", "templates", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "relais", ignore=python_files)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> tuple[int, str]:
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    return result.returncode, result.stdout + result.stderr


def test_no_import_breaks_the_rules():
    code, output = lint_imports(ROOT)
    assert code == 0, output


def test_every_room_is_under_the_rules():
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()} - {"cli"}
    assert rooms <= set(ROOMS)


def test_what_is_no_room_is_forbidden_to_the_rooms_that_observe():
    forbidden = set(_contracts()["importlinter:contract:observers"]["forbidden_modules"].split())
    for_rooms = {"environment", "text", "dotenv", "data_folder", "__init__", "__main__"}
    for_rooms |= {"db_connection", "periodic_jobs", "process_identity", "message_limits", "action_errors"}
    for_rooms |= {"demo_accounts", "undo_limits", "choices"}
    for_rooms |= {"ssrf_protection", "public_addresses"}
    others = {file.stem for file in [*PACKAGE.glob("*.py"), PACKAGE / "cli"]} - for_rooms
    assert forbidden == {f"relais.{name}" for name in others}


def test_every_room_says_what_it_is_and_what_it_is_not():
    for room in ROOMS:
        opening = (PACKAGE / room.replace(".", "/") / "__init__.py").read_text()
        assert opening.startswith('"""'), room
        assert re.search(r"\b(not|no|never|nothing)\b", opening.split('"""')[1], re.IGNORECASE), room


def test_a_forbidden_import_is_found_in_each_of_its_forms(copied_project):
    for number, form in enumerate(FORMS):
        (copied_project / f"relais/live/planted_{number}.py").write_text(form)
    (copied_project / "relais/live/tests/test_planted.py").write_text(FORMS[0])
    (copied_project / "relais/live/allowed.py").write_text(
        "from relais.live import pool\nfrom . import socket\nfrom relais import text\nimport json"
    )
    code, output = lint_imports(copied_project)
    assert code == 1
    broken = set(re.findall(r"(relais\.live\.\S+) -> relais\.conversations", output))
    assert broken == {f"relais.live.planted_{number}" for number in range(len(FORMS))}


def test_each_kind_of_rule_is_enforced(copied_project):
    forbidden = [
        ("whatsapp", "flows"),
        ("flows", "whatsapp"),
        ("flows.engine", "flows.labels"),
        ("flows.engine", "text"),
        ("ops", "ops.doctor"),
        ("ops.watch", "settings"),
        ("conversations", "bench"),
        ("emulator", "conversations"),
        ("web", "http_server"),
    ]
    for room, imported in forbidden:
        name = f"planted_{imported.replace('.', '_')}.py"
        file = copied_project / "relais" / room.replace(".", "/") / name
        file.write_text(f"def f():\n    import relais.{imported}")
    code, output = lint_imports(copied_project)
    assert code == 1
    for room, imported in forbidden:
        module = f"relais.{room}.planted_{imported.replace('.', '_')}"
        assert f"{module} -> relais.{imported}" in output, output


def test_a_cycle_of_imports_is_found_also_when_a_function_hides_it(copied_project):
    (copied_project / "relais/live/a.py").write_text("from relais.live import b")
    (copied_project / "relais/live/b.py").write_text("def f():\n    from relais.live import a")
    code, output = lint_imports(copied_project)
    assert code == 1
    assert re.search(r"import each other: relais\.live\.(a -> relais\.live\.b|b -> relais\.live\.a)", output)


def test_an_import_for_types_alone_makes_no_cycle(copied_project):
    (copied_project / "relais/live/a.py").write_text("from relais.live import b")
    (copied_project / "relais/live/b.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from relais.live import a"
    )
    code, output = lint_imports(copied_project)
    assert code == 0, output


def test_every_cycle_is_named_with_its_last_import():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f", "d"}, "f": {"e"}}
    cycles = list(find_cycles(imports))
    assert sorted(map(sorted, (set(cycle) for cycle in cycles))) == [["a", "b", "c"], ["e", "f"]]
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(imported in imports[module] for module, imported in zip(cycle, cycle[1:], strict=False))
