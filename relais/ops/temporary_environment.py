"""A throw-away installation for tests and checks: its own data folder and database, an account at no real Twilio.

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

from relais.ops.database import running

VARIABLES = {
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "00000000000000000000000000000000",
    "TWILIO_WHATSAPP_NUMBER": "whatsapp:+212522000000",
    # Nothing listens there: what a test does not catch must not reach the real Twilio.
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    "RELAIS_SECRET_KEY": "a key for tests and checks only, long enough for all",
    "RELAIS_ENV_FILE": os.devnull,
}
# A test run may lose its database; waiting for the disk would only slow it down.
HASTY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_OURS = ("TWILIO_", "RELAIS_", "STUDIO_", "PG")


@contextmanager
def installation(*, database: bool) -> Iterator[dict[str, str]]:
    """The variables of a new installation, which is gone after the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    for name in ("DATABASE_URL", "PUBLIC_BASE_URL", "EMAIL_URL"):
        kept.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="relais-scratch-"))
    try:
        variables = {**kept, **VARIABLES, "RELAIS_DATA_DIR": str(folder / "data")}
        if database:
            with running(folder / "cluster", **HASTY) as dsn:
                yield {**variables, "DATABASE_URL": dsn}
        else:
            yield variables
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leave_on_term() -> None:
    """SIGTERM then ends by way of every `finally`."""

    def leave(signum: int, frame: object) -> NoReturn:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, leave)


def main(arguments: list[str]) -> int:
    leave_on_term()
    database = arguments[0] == "--database"
    command = arguments[1:] if database else arguments
    python = [sys.executable, "-P"]
    head = python if command[0] == "python" else [*python, "-m", command[0]]
    with installation(database=database) as variables:
        return subprocess.run([*head, *command[1:]], env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
