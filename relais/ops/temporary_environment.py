"""A temporary installation for tests and checks: its own data folder and database, and no real Twilio account.

`python -m relais.ops.temporary_environment [--database] relais|python ARGUMENTS` runs one command in it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from relais.ops.database import running_database

VARIABLES = {
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "00000000000000000000000000000000",
    "TWILIO_WHATSAPP_NUMBER": "whatsapp:+212522000000",
    # Nothing listens there: an unmocked call must not reach the real Twilio.
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    "RELAIS_SECRET_KEY": "a key for tests and checks only, long enough for all",
    "RELAIS_ENV_FILE": os.devnull,
}
# Durability off: a test run may lose its database, and waiting for the disk slows it down.
FAST_DATABASE_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_OWN_PREFIXES = ("TWILIO_", "RELAIS_", "STUDIO_", "PG")


@contextmanager
def temporary_installation(*, database: bool) -> Iterator[dict[str, str]]:
    """The environment variables of a new installation, which is deleted after the block."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_PREFIXES)}
    for name in ("DATABASE_URL", "PUBLIC_BASE_URL", "EMAIL_URL"):
        inherited.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="relais-temporary-"))
    try:
        variables = {**inherited, **VARIABLES, "RELAIS_DATA_DIR": str(folder / "data")}
        if database:
            with running_database(folder / "cluster", **FAST_DATABASE_SETTINGS) as dsn:
                yield {**variables, "DATABASE_URL": dsn}
        else:
            yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exit_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that every `finally` runs."""

    def exit_process(signum: int, frame: object) -> NoReturn:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, exit_process)


def main(arguments: list[str]) -> int:
    exit_on_sigterm()
    database = arguments[0] == "--database"
    command = arguments[1:] if database else arguments
    python = [sys.executable, "-P"]
    head = python if command[0] == "python" else [*python, "-m", command[0]]
    with temporary_installation(database=database) as variables:
        return subprocess.run([*head, *command[1:]], env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
