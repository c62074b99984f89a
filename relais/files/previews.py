"""The preview of a stored file: thumbnail and details, made once. `preview_worker.py` reads the file."""

from __future__ import annotations

import json
from datetime import datetime
from io import BytesIO

from relais.files.models import StoredFile, store_file
from relais.files.temporary_files import temporary_file
from relais.files.worker_process import run_worker

WORKER = "relais.files.preview_worker"
TIMEOUT_SECONDS = 60
THUMBNAIL_TYPE = "image/webp"
MAX_DETAILS_BYTES = 64 * 1024


def make_preview(stored: StoredFile, *, at: datetime) -> None:
    """Idempotent; a file that cannot be read gets an empty preview. Raises OSError, and what the storage raises."""
    if stored.previewed_at or stored.infection:
        return
    with temporary_file() as source, temporary_file() as result:
        for chunk in stored.read():
            source.write(chunk)
        source.seek(0)
        exit_code = run_worker(WORKER, source, result, timeout_seconds=TIMEOUT_SECONDS)
        result.seek(0)
        line = result.readline(MAX_DETAILS_BYTES) if exit_code == 0 else b""
        content = result.read() if line.endswith(b"\n") else b""
    thumbnail = store_file(BytesIO(content), content_type=THUMBNAIL_TYPE, at=at) if content else None
    if thumbnail and not thumbnail.previewed_at:
        StoredFile.objects.filter(pk=thumbnail.pk).update(previewed_at=at)  # It gets none itself.
    details = json.loads(line) if line.endswith(b"\n") else {}
    StoredFile.objects.filter(pk=stored.pk, previewed_at=None).update(
        previewed_at=at, details=details, thumbnail=thumbnail
    )
    stored.refresh_from_db()
