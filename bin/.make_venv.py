"""Makes `.venv` beside bin/ hold exactly what a lock file says. Quick when it does already.

A stamp with the lock's hash is written last: a `.venv` without a good stamp was left half-made and is made anew.
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
    with one_at_a_time():
        # What the tests need includes what runs.
        kinds = [each for each in ("dev", "runtime") if stamp(each).exists()]
        if kind in kinds and is_current(kind):
            return
        if not kinds or not works():
            make()
        elif kind == "runtime" and "dev" in kinds:
            if is_current("dev"):
                return
            kind = "dev"
        fill(kind)


@contextmanager
def one_at_a_time():
    lock = os.open(ROOT / ".venv.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def stamp(kind):
    return VENV / f".{kind}.stamp"


def due(kind):
    return f"{hashlib.sha256(LOCKS[kind].read_bytes()).hexdigest()} {python_version()}\n"


def is_current(kind):
    return works() and stamp(kind).read_text() == due(kind) and (VENV / "bin" / "relais").exists()


def python_version():
    found = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() if found.returncode == 0 else ""


def works():
    return PYTHON.exists() and python_version() != ""


def make():
    print("Preparing .venv (the first time takes some seconds) …", file=sys.stderr, flush=True)
    if VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    if subprocess.run([sys.executable, "-m", "venv", VENV], check=False).returncode:
        sys.exit("Python could not make .venv; what it said stands above.")


def fill(kind):
    print("Installing packages …", file=sys.stderr, flush=True)
    for each in LOCKS:
        stamp(each).unlink(missing_ok=True)
    if not (by_uv(LOCKS[kind]) or by_pip(LOCKS[kind])):
        sys.exit(
            "The packages could not be installed (is a package index reachable?); what was tried stands above."
        )
    place_code()
    stamp(kind).write_text(due(kind))


def by_uv(lock):
    """Five times as fast, but it does not read pip's settings: a company's mirror is known to pip only."""
    return by_pip(UV_LOCK, quiet=True) and succeeds(
        [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "-r", lock, "--python", PYTHON]
    )


def by_pip(lock, quiet=False):
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock]
    return succeeds([*command, "--disable-pip-version-check", "--root-user-action=ignore"], quiet)


def succeeds(command, quiet=False):
    hidden = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=hidden, check=False).returncode == 0


def place_code():
    """`relais` is importable and a command, without being installed: the code is what lies beside bin/."""
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
