"""Pictures before they are sent: upright, without position and camera, small enough, JPEG or PNG.

The work is done by `picture_worker.py` in a process of its own.
"""

from __future__ import annotations

import threading
from typing import BinaryIO

from relais.files import errors
from relais.files.channel_types import MAX_PICTURE_BYTES
from relais.files.chunks import CHUNK_BYTES
from relais.files.temporary_files import temporary_file
from relais.files.worker_process import run_worker

MAX_PIXELS = 40_000_000
MEGAPIXELS = MAX_PIXELS // 1_000_000
EXIT_UNCHANGED, EXIT_UNREADABLE, EXIT_TOO_MANY_PIXELS = 10, 11, 12
WORKER = "relais.files.picture_worker"
TIMEOUT_SECONDS = 30
MAX_PARALLEL_WORKERS = 2
"""Each takes a processor, and up to some hundred megabytes, for about a second."""
_slots = threading.BoundedSemaphore(MAX_PARALLEL_WORKERS)


def prepare_picture(file: BinaryIO, content_type: str, name: str) -> BinaryIO | None:
    """The file to send in its place, or None if it may go as it is. Raises FileRefused."""
    with temporary_file() as source:
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            source.write(chunk)
        source.seek(0)
        result = temporary_file()
        try:
            with _slots:
                exit_code = run_worker(
                    WORKER,
                    source,
                    result,
                    content_type,
                    str(MAX_PICTURE_BYTES),
                    timeout_seconds=TIMEOUT_SECONDS,
                )
        except BaseException:
            result.close()
            raise
    if exit_code == 0:
        return result
    result.close()
    if exit_code == EXIT_UNCHANGED:
        return None
    if exit_code == EXIT_TOO_MANY_PIXELS:
        raise errors.too_many_pixels(name, MEGAPIXELS)
    raise errors.unreadable_picture(name)
