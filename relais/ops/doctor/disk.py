"""Is there room in the data folder, may we write there, and is it closed to others."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from relais.environment import ROOT
from relais.ops.disk import CRITICAL_FREE_BYTES, LOW_FREE_BYTES
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, ok, warning

FEW_FILES = 1_000


def look(patient: Patient) -> Iterator[Finding]:
    data = patient.environment.data_dir
    if not data.is_dir():
        yield failed(f"There is no data folder {data}.", "Start Relais by bin/up, or see RELAIS_DATA_DIR.")
        return
    yield from _room(data)
    yield from _writable(data)
    for part in (data / "postgres", data / "media"):
        if part.is_dir() and part.stat().st_dev != data.stat().st_dev:
            yield from _room(part)


def _room(folder: Path) -> Iterator[Finding]:
    disk = statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    told = f"{free / 1e9:.1f} GB free in {folder}"
    advice = "Make room, or move the folder to a larger disk: without room no message can be stored."
    if free < LOW_FREE_BYTES:
        yield (failed if free < CRITICAL_FREE_BYTES else warning)(f"Only {told}.", advice)
    # Some file systems count no files at all.
    elif disk.f_files and disk.f_favail < FEW_FILES:
        yield failed(
            f"Only {disk.f_favail} more files fit in {folder}.", "Remove small files, or move the folder."
        )
    else:
        yield ok(f"{told}.")


def _writable(folder: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b"\0" * 4096)
            trial.flush()
    except OSError as error:
        yield failed(
            f"Nothing can be written to {folder}: {error.strerror}.",
            "Run Relais as the user it belongs to; see whether the disk is full or read-only.",
        )


def look_at_modes(patient: Patient) -> Iterator[Finding]:
    data = patient.environment.data_dir
    if not data.is_dir():
        return
    if data.stat().st_uid != os.geteuid() and os.geteuid() != 0:
        yield failed(f"{data} belongs to another user.", "Run Relais as the user it belongs to.")
    open_to_others = [each for each in _private(data) if _is_open(each, data)]
    for each in open_to_others:
        # The key we made for its owner alone; what a person wrote was made as this machine makes files.
        told = failed if each.name == "secret_key" else warning
        yield told(
            f"Others on this machine may read {each} (mode {stat.S_IMODE(each.stat().st_mode):o}).",
            f"chmod go-rwx {each}",
        )
    if not open_to_others:
        yield ok("Keys and pictures are for their owner alone.")


def _private(data: Path) -> list[Path]:
    """What holds secrets, or what clients wrote."""
    dotenv = Path(os.environ.get("RELAIS_ENV_FILE") or ROOT / ".env")
    own = [data / name for name in ("secret_key", "media")]
    return [path for path in (dotenv, *own) if path.is_file() or path.is_dir()]


def _is_open(path: Path, data: Path) -> bool:
    """Nobody comes to what lies in a folder that is closed to him."""
    mode = path.stat().st_mode
    may_read = mode & (stat.S_IRGRP | stat.S_IROTH)
    closed_above = data in path.parents and not data.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    return bool(may_read) and not closed_above


def statvfs(folder: Path) -> os.statvfs_result:
    return os.statvfs(folder)
