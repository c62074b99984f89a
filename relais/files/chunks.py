"""Reading files piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 64 * 1024


def read_chunks(path: Path, *, start: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
    return _FileChunks(path.open("rb"), start, length, chunk_bytes)


class _FileChunks(Iterator[bytes]):
    """Not a generator: one that was never started would not close its file."""

    def __init__(self, file: BinaryIO, start: int, length: int, chunk_bytes: int) -> None:
        file.seek(start)
        self._file, self._left, self._chunk_bytes = file, length, chunk_bytes

    def __next__(self) -> bytes:
        chunk = b"" if self._file.closed else self._file.read(min(self._chunk_bytes, self._left))
        if not chunk:
            self.close()
            raise StopIteration
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()
