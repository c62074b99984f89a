"""Checks of the data folder: free space, write access, and permissions that keep other users out."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from relais.environment import ROOT
from relais.ops.disk_thresholds import CRITICAL_FREE_BYTES, LOW_FREE_BYTES
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, ok, warning

MIN_FREE_INODES = 1_000
KEY_FILES = ("secret_key", "vapid_key")
"""Relais creates them with mode 0600."""


def check_space(context: DoctorContext) -> Iterator[CheckResult]:
    data = context.environment.data_dir
    if not data.is_dir():
        yield failed(f"There is no data folder {data}.", "Start Relais by bin/up, or see RELAIS_DATA_DIR.")
        return
    yield from _check_free_space(data)
    yield from _check_writable(data)
    for part in (data / "postgres", data / "media"):
        if part.is_dir() and part.stat().st_dev != data.stat().st_dev:
            yield from _check_free_space(part)


def _check_free_space(folder: Path) -> Iterator[CheckResult]:
    disk = statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    free_space = f"{free / 1e9:.1f} GB free in {folder}"
    advice = "Make room, or move the folder to a larger disk: without room no message can be stored."
    if free < LOW_FREE_BYTES:
        yield (failed if free < CRITICAL_FREE_BYTES else warning)(f"Only {free_space}.", advice)
    # Some file systems have no inodes to count.
    elif disk.f_files and disk.f_favail < MIN_FREE_INODES:
        yield failed(
            f"Only {disk.f_favail} more files fit in {folder}.", "Remove small files, or move the folder."
        )
    else:
        yield ok(f"{free_space}.")


def _check_writable(folder: Path) -> Iterator[CheckResult]:
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"\0" * 4096)
            trial.flush()
    except OSError as error:
        yield failed(
            f"Nothing can be written to {folder}: {error.strerror}.",
            "Run Relais as the user it belongs to; see whether the disk is full or read-only.",
        )


def check_permissions(context: DoctorContext) -> Iterator[CheckResult]:
    data = context.environment.data_dir
    if not data.is_dir():
        return
    if data.stat().st_uid != os.geteuid() and os.geteuid() != 0:
        yield failed(f"{data} belongs to another user.", "Run Relais as the user it belongs to.")
    readable_by_others = [each for each in _private(data) if _is_readable_by_others(each, data)]
    for each in readable_by_others:
        # Files of a person follow the umask of this machine.
        report = failed if each.name in KEY_FILES else warning
        yield report(
            f"Others on this machine may read {each} (mode {stat.S_IMODE(each.stat().st_mode):o}).",
            f"chmod go-rwx {each}",
        )
    if not readable_by_others:
        yield ok("Keys and pictures are for their owner alone.")


def _private(data: Path) -> list[Path]:
    """Files and folders with secrets or clients' files."""
    env_file = Path(os.environ.get("RELAIS_ENV_FILE") or ROOT / ".env")
    own = [data / name for name in (*KEY_FILES, "media")]
    return [path for path in (env_file, *own) if path.is_file() or path.is_dir()]


def _is_readable_by_others(path: Path, data: Path) -> bool:
    """A file in a folder without execute permission for others cannot be reached by them."""
    mode = path.stat().st_mode
    may_read = mode & (stat.S_IRGRP | stat.S_IROTH)
    parent_is_closed = data in path.parents and not data.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    return bool(may_read) and not parent_is_closed


def statvfs(folder: Path) -> os.statvfs_result:
    return os.statvfs(folder)
