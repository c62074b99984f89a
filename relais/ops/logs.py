"""The log files in the data folder: appended to, set aside once when they have grown long."""

from pathlib import Path
from typing import IO

_LONG = 20_000_000


def open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LONG:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab", buffering=0)


def last_lines(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 20_000))
            return [line.rstrip() for line in log.read().decode(errors="replace").splitlines()[-count:]]
    except OSError:
        return []
