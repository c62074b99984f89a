"""Where files are stored: in a folder, or in S3-compatible storage when `MEDIA_STORAGE_URL` names one.

Several web processes on several machines share the files if they share the folder or the bucket.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from relais.files.chunks import CHUNK_BYTES, read_chunks


class Storage(Protocol):
    """Files by key. What is stored under a key never changes."""

    def put(self, key: str, file: BinaryIO) -> None:
        """Store the whole file, atomically. Replaces what is there."""

    def exists(self, key: str) -> bool: ...

    def read(
        self, key: str, *, start: int = 0, length: int, chunk_bytes: int = CHUNK_BYTES
    ) -> Iterator[bytes]:
        """Raises FileNotFoundError, before the first chunk."""

    def delete(self, key: str) -> None:
        """Also if there is none."""

    def delete_leftovers(self, *, before: datetime) -> None:
        """What processes that were killed have left half written."""


def storage() -> Storage:
    return _storage(settings.MEDIA_STORAGE_URL, settings.MEDIA_FOLDER)


@cache
def _storage(url: str, folder: Path) -> Storage:
    if not url:
        return FolderStorage(folder)
    from relais.files.s3_storage import S3Storage  # It takes 10 MB of memory.

    return S3Storage(url)


class FolderStorage:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"

    def put(self, key: str, file: BinaryIO) -> None:
        path = self._path(key)
        for folder in (path.parent, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.incoming)
        try:
            with os.fdopen(handle, "wb") as new:
                file.seek(0)
                while chunk := file.read(CHUNK_BYTES):
                    new.write(chunk)
                new.flush()
                os.fsync(new.fileno())
            os.replace(name, path)
        except BaseException:
            # Otherwise each attempt on a full disk would leave a temporary file.
            with suppress(OSError):
                os.unlink(name)
            raise

    def exists(self, key: str) -> bool:
        return self._path(key).exists()

    def read(
        self, key: str, *, start: int = 0, length: int, chunk_bytes: int = CHUNK_BYTES
    ) -> Iterator[bytes]:
        return read_chunks(self._path(key), start=start, length=length, chunk_bytes=chunk_bytes)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def delete_leftovers(self, *, before: datetime) -> None:
        for path in self.incoming.glob("*"):
            with suppress(OSError):  # Another process deletes it, too.
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / key
