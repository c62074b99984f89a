"""Uploaded files: all are checked before any is stored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from relais.files import errors
from relais.files.channel_types import MAX_FILE_BYTES, MAX_FILES_PER_SEND, SOUNDS_TO_OGG, channel_type
from relais.files.content_types import UNPLAYABLE_VIDEO, detect_content_type
from relais.files.errors import FileRefused
from relais.files.models import StoredFile, store_file
from relais.files.pictures import prepare_picture
from relais.files.temporary_files import temporary_file
from relais.files.voice_notes import MAX_VOICE_NOTE_BYTES, InvalidRecording, convert_to_ogg

UPLOAD_REFUSAL_KEY = "relais.upload_refusal"
"""In the ASGI scope: code and file name, when the web server stopped reading the body."""


@dataclass(frozen=True)
class OutgoingFile:
    """A stored file and what a message says about it. One that is stored already needs no upload."""

    stored: StoredFile
    content_type: str
    filename: str
    """As its author named it, not cleaned."""


@dataclass(frozen=True)
class _CheckedFile:
    file: BinaryIO
    content_type: str
    filename: str


def upload_refusal(request: HttpRequest) -> FileRefused | None:
    """Why the web server stopped reading the request's files, if it did."""
    scope = request.META.get("asgi.scope", {})
    code, name = scope.get(UPLOAD_REFUSAL_KEY, ("", ""))
    if code == "too_many_files":
        return errors.too_many_files()
    return errors.too_large(name, MAX_FILE_BYTES) if code else None


def store_uploads(uploads: Sequence[UploadedFile], *, at: datetime) -> list[OutgoingFile]:
    """Raises FileRefused, and nothing is stored then."""
    if len(uploads) > MAX_FILES_PER_SEND:
        raise errors.too_many_files()
    with ExitStack() as stack:
        checked = [_check(upload, stack) for upload in uploads]
        return [
            OutgoingFile(
                store_file(each.file, content_type=each.content_type, at=at), each.content_type, each.filename
            )
            for each in checked
        ]


def _check(upload: UploadedFile, stack: ExitStack) -> _CheckedFile:
    name, file = upload.name or "", cast(BinaryIO, upload.file)
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise errors.empty(name)
    if size > MAX_FILE_BYTES:
        raise errors.too_large(name, MAX_FILE_BYTES)
    content_type = detect_content_type(file)
    if content_type == UNPLAYABLE_VIDEO:
        raise errors.unplayable_video(name)
    if channel_type(content_type) is None:
        raise errors.wrong_type(name)
    if content_type in SOUNDS_TO_OGG:
        prepared: BinaryIO | None = _convert_recording(file, content_type, name)
    elif content_type.startswith("image/"):
        prepared = prepare_picture(file, content_type, name)
    else:
        prepared = None
    if prepared is None:
        return _CheckedFile(file, content_type, name)
    stack.enter_context(prepared)
    new_type = detect_content_type(prepared)
    extension = channel_type(new_type).extensions[0]  # type: ignore[union-attr]
    return _CheckedFile(prepared, new_type, str(PurePath(name).with_suffix(extension)))


def _convert_recording(file: BinaryIO, content_type: str, name: str) -> BinaryIO:
    if file.seek(0, os.SEEK_END) > MAX_VOICE_NOTE_BYTES:
        raise errors.too_large(name, MAX_VOICE_NOTE_BYTES)
    result = temporary_file()
    try:
        convert_to_ogg(file, content_type, result)
    except InvalidRecording as error:
        result.close()
        raise errors.unreadable_recording(name) from error
    except BaseException:
        result.close()
        raise
    return result
