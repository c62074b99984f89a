"""Where the downloaded files are kept."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.conf import settings

from relais.conversations.models import Media


def media_path(media: Media) -> Path:
    return settings.MEDIA_FOLDER / f"{media.pk // 1000:06d}" / str(media.pk)


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
