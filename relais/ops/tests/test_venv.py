"""The commands of bin/ in a copy of the project whose lock files are empty: .venv is created and updated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


class Clone:
    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.venv = folder / ".venv"
        shutil.copytree(ROOT / "bin", folder / "bin")
        (folder / "relais" / "web").mkdir(parents=True)
        (folder / "relais" / "__init__.py").touch()
        (folder / "relais" / "web" / "translations.py").touch()
        (folder / "relais" / "__main__.py").write_text("import sys; print('relais', *sys.argv[1:])\n")
        (folder / "requirements").mkdir()
        for lock in ("runtime", "dev", "uv"):
            (folder / "requirements" / f"{lock}.txt").write_text("# nothing\n")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / command[0]), *command[1:]],
            cwd="/", env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def change_lock(self, lock: str) -> None:
        with (self.root / "requirements" / f"{lock}.txt").open("a") as file:
            file.write("# and nothing more\n")


@pytest.fixture(scope="module")
def prepared_clone(tmp_path_factory):
    """A clone in a folder whose name has a space, after one run of bin/up."""
    clone = Clone(tmp_path_factory.mktemp("clones") / "my own clone")
    first = clone.run("bin/up", "--now")
    assert (first.stdout, first.returncode) == ("relais up --now\n", 0), first.stderr
    assert "Preparing .venv" in first.stderr
    return clone


def test_the_second_run_installs_nothing(prepared_clone):
    second = prepared_clone.run("bin/up")
    assert (second.stdout, second.stderr, second.returncode) == ("relais up\n", "", 0)


def test_the_relais_command_works_from_any_folder(prepared_clone, tmp_path):
    link = tmp_path / "relais"
    link.symlink_to(prepared_clone.venv / "bin" / "relais")
    assert prepared_clone.run(".venv/bin/relais", "web").stdout == "relais web\n"
    assert (
        subprocess.run([link, "jobs"], capture_output=True, text=True, check=True).stdout == "relais jobs\n"
    )


def test_a_changed_lock_is_installed_into_the_same_venv(prepared_clone):
    (prepared_clone.venv / "kept").touch()
    prepared_clone.change_lock("runtime")
    changed = prepared_clone.run("bin/up")
    assert "Installing" in changed.stderr and changed.returncode == 0
    assert (prepared_clone.venv / "kept").exists()
    assert prepared_clone.run("bin/up").stderr == ""


def test_an_incomplete_venv_is_recreated_once_by_two_concurrent_runs(prepared_clone):
    (prepared_clone.venv / ".runtime.stamp").unlink()
    (prepared_clone.venv / "debris").touch()
    command = [prepared_clone.root / "bin" / "up"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [each.communicate(timeout=120) for each in both]
    assert [out for out, _ in outputs] == ["relais up\n"] * 2
    assert sum("Preparing" in err for _, err in outputs) == 1
    assert not (prepared_clone.venv / "debris").exists()


def test_a_venv_without_its_python_is_recreated(prepared_clone):
    for name in ("python", "python3"):
        (prepared_clone.venv / "bin" / name).unlink(missing_ok=True)
    (prepared_clone.venv / "bin" / "python").symlink_to("/nowhere/python3")
    second = prepared_clone.run("bin/up")
    assert (second.stdout, second.returncode) == ("relais up\n", 0), second.stderr


def path_with_python(folder: Path, *, version: str, with_pip: bool) -> dict[str, str]:
    """Variables with a PATH that has only this Python."""
    folder.mkdir()
    for tool in ("sh", "dirname", "readlink"):
        (folder / tool).symlink_to(shutil.which(tool) or "/nowhere")
    fake = folder / "python3"
    old = tuple(map(int, version.split("."))) < (3, 11)
    fake.write_text(
        f"""#!/bin/sh
case "$*" in
    --version) echo "Python {version}" ;;
    *version_info*) exit {int(old)} ;;
    *ensurepip*) exit {int(not with_pip)} ;;
esac
"""
    )
    fake.chmod(0o755)
    return {"PATH": str(folder)}


def test_an_old_python_is_rejected_with_the_needed_version(prepared_clone, tmp_path):
    process = prepared_clone.run("bin/up", **path_with_python(tmp_path / "old", version="3.9", with_pip=True))
    assert process.returncode == 1
    assert "needs Python 3.11 or newer, and this machine has Python 3.9" in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_a_python_without_ensurepip_is_rejected_with_the_package_to_install(prepared_clone, tmp_path):
    process = prepared_clone.run(
        "bin/up", **path_with_python(tmp_path / "bare", version="3.12", with_pip=False)
    )
    assert process.returncode == 1
    assert "apt install python3-venv" in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_no_lock_contains_a_url():
    for lock in (ROOT / "requirements").iterdir():
        assert "://" not in lock.read_text(), lock
        assert "--index" not in lock.read_text(), lock


def test_every_pinned_package_has_a_hash():
    for name in ("runtime", "dev", "uv"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
        pinned = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert pinned
        assert all("==" in line and "--hash=sha256:" in line for line in pinned)


def test_runtime_pins_are_the_same_in_the_dev_lock():
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    assert pins("runtime") <= pins("dev")
