"""Reading downloaded files; and where they were kept before there were stored files (`relais/files`)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from relais.conversations.models import Media
from relais.files.chunks import read_chunks


def media_path(media: Media) -> Path:
    return settings.MEDIA_FOLDER / f"{media.pk // 1000:06d}" / str(media.pk)


def read_content(
    media: Media, *, chunk_bytes: int, start: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Raises OSError if the file is gone."""
    if media.file:
        return media.file.read(start=start, length=length, chunk_bytes=chunk_bytes)
    path = media_path(media)
    length = path.stat().st_size - start if length is None else length
    return read_chunks(path, start=start, length=length, chunk_bytes=chunk_bytes)


def write_file(path: Path, content: bytes) -> None:
    """Atomic: written to a temporary file beside it, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        # Otherwise each attempt on a full disk would leave a temporary file.
        os.unlink(name)
        raise
