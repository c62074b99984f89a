"""Installs the packages of a lock file into `.venv` beside bin/. Does nothing if `.venv` is up to date.

A stamp file with the hash of the lock is written last: a `.venv` without a valid stamp is incomplete and is recreated.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"runtime": ROOT / "requirements" / "runtime.txt", "dev": ROOT / "requirements" / "dev.txt"}
UV_LOCK = ROOT / "requirements" / "uv.txt"
LAUNCHER = """\
#!/bin/sh
venv=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
exec "$venv/bin/python" -P -m relais "$@"
"""


def main(kind):
    with lock_venv():
        # The dev packages include the runtime packages.
        kinds = [name for name in ("dev", "runtime") if stamp(name).exists()]
        if kind in kinds and is_current(kind):
            return
        if not kinds or not is_usable():
            create_venv()
        elif kind == "runtime" and "dev" in kinds:
            if is_current("dev"):
                return
            kind = "dev"
        install_packages(kind)


@contextmanager
def lock_venv():
    lock = os.open(ROOT / ".venv.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def stamp(kind):
    return VENV / f".{kind}.stamp"


def expected_stamp(kind):
    return f"{hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest()} {python_version()}\n"


def is_current(kind):
    return (
        is_usable() and stamp(kind).read_text() == expected_stamp(kind) and (VENV / "bin" / "relais").exists()
    )


def python_version():
    result = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return result.stdout.strip() if result.returncode == 0 else ""


def is_usable():
    return PYTHON.exists() and python_version() != ""


def create_venv():
    print("Preparing .venv (the first time takes some seconds) …", file=sys.stderr, flush=True)
    if VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode:
        sys.exit("Python could not create .venv; see its error above.")


def install_packages(kind):
    print("Installing packages …", file=sys.stderr, flush=True)
    for name in LOCKS:
        stamp(name).unlink(missing_ok=True)
    if not (install_with_uv(LOCKS[kind]) or install_with_pip(LOCKS[kind])):
        sys.exit("The packages could not be installed (is a package index reachable?); see the errors above.")
    link_code()
    stamp(kind).write_text(expected_stamp(kind))


def install_with_uv(lock):
    """Five times as fast as pip, but uv does not read pip's configuration, such as the index of a company's mirror."""
    return install_with_pip(UV_LOCK, quiet=True) and succeeds(
        [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "-r", lock, "--python", PYTHON]
    )


def install_with_pip(lock, quiet=False):
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock]
    return succeeds([*command, "--disable-pip-version-check", "--root-user-action=ignore"], quiet)


def succeeds(command, quiet=False):
    hidden = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=hidden, check=False).returncode == 0


def link_code():
    """Make `relais` importable and a command without installing it: `.venv` uses the code beside bin/."""
    packages = next((VENV / "lib").glob("python3*/site-packages"))
    (packages / "relais.pth").write_text("../../../..\n")
    launcher = VENV / "bin" / "relais"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except PermissionError as error:
        sys.exit(
            f"{error.filename} belongs to another user: run this as that user, or clone Relais for yourself."
        )
