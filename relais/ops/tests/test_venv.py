"""The commands of bin/ on a copy of their own, with locks that ask for nothing."""

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

    def change(self, lock: str) -> None:
        with (self.root / "requirements" / f"{lock}.txt").open("a") as file:
            file.write("# and nothing more\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A clone, in a folder whose name has a space, on which bin/up ran once."""
    clone = Clone(tmp_path_factory.mktemp("clones") / "my own clone")
    first = clone.run("bin/up", "--now")
    assert (first.stdout, first.returncode) == ("relais up --now\n", 0), first.stderr
    assert "Preparing .venv" in first.stderr
    return clone


def test_the_second_time_nothing_is_installed(made):
    again = made.run("bin/up")
    assert (again.stdout, again.stderr, again.returncode) == ("relais up\n", "", 0)


def test_the_command_is_there_and_works_from_anywhere(made, tmp_path):
    link = tmp_path / "relais"
    link.symlink_to(made.venv / "bin" / "relais")
    assert made.run(".venv/bin/relais", "web").stdout == "relais web\n"
    assert (
        subprocess.run([link, "jobs"], capture_output=True, text=True, check=True).stdout == "relais jobs\n"
    )


def test_a_new_lock_is_installed_into_the_same_venv(made):
    (made.venv / "kept").touch()
    made.change("runtime")
    changed = made.run("bin/up")
    assert "Installing" in changed.stderr and changed.returncode == 0
    assert (made.venv / "kept").exists()
    assert made.run("bin/up").stderr == ""


def test_a_venv_left_half_made_is_made_anew_and_of_two_at_once_one_does_it(made):
    (made.venv / ".runtime.stamp").unlink()
    (made.venv / "debris").touch()
    command = [made.root / "bin" / "up"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = [each.communicate(timeout=120) for each in both]
    assert [out for out, _ in told] == ["relais up\n"] * 2
    assert sum("Preparing" in err for _, err in told) == 1
    assert not (made.venv / "debris").exists()


def test_a_venv_whose_python_is_gone_is_made_anew(made):
    for name in ("python", "python3"):
        (made.venv / "bin" / name).unlink(missing_ok=True)
    (made.venv / "bin" / "python").symlink_to("/nowhere/python3")
    again = made.run("bin/up")
    assert (again.stdout, again.returncode) == ("relais up\n", 0), again.stderr


def a_python(folder: Path, *, version: str, with_pip: bool) -> dict[str, str]:
    """A PATH on which the only Python is of this kind."""
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


def test_an_old_python_is_refused_with_what_to_install(made, tmp_path):
    refused = made.run("bin/up", **a_python(tmp_path / "old", version="3.9", with_pip=True))
    assert refused.returncode == 1
    assert "needs Python 3.11 or newer, and this machine has Python 3.9" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_python_without_ensurepip_is_refused_with_what_to_install(made, tmp_path):
    refused = made.run("bin/up", **a_python(tmp_path / "bare", version="3.12", with_pip=False))
    assert refused.returncode == 1
    assert "apt install python3-venv" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_no_lock_names_an_address():
    for lock in (ROOT / "requirements").iterdir():
        assert "://" not in lock.read_text(), lock
        assert "--index" not in lock.read_text(), lock


def test_every_pinned_package_has_a_hash():
    for name in ("runtime", "dev", "uv"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
        pinned = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert pinned
        assert all("==" in line and "--hash=sha256:" in line for line in pinned)


def test_what_runs_is_pinned_alike_for_the_tests():
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    assert pins("runtime") <= pins("dev")
