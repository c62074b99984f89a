"""Bodies with files, written to disk while they arrive: an upload costs disk space, not memory, and no thread.

The parts are only measured here; Django parses the body once it is whole. As soon as a file passes its limit, reading
stops, and Django is given the text fields that came before it, so that its answer is the usual one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

from anyio import to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from relais.http_server import metrics
from relais.http_server.request_body import MAX_FORM_BYTES, MAX_STREAMED_BYTES, BodyTooLarge

WRITE_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
MAX_FIELDS = 50
MAX_SPOOLED_BYTES = 1024**3
"""Of all uploads of this process together."""


class InvalidMultipart(Exception):
    """The body is not what its content type says."""


class NoSpoolSpace(Exception):
    """All uploads together take too much, or the disk is full."""


@dataclass(frozen=True)
class UploadLimits:
    max_file_bytes: int
    max_files: int


@dataclass
class SpooledBody:
    """The whole body, or why reading it was stopped."""

    file: BinaryIO
    size: int = 0
    refusal: tuple[str, str] | None = None
    """Code and file name."""
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def form_body(self) -> bytes:
        """The text fields alone."""
        return urlencode(self.fields).encode()


class UploadSpool:
    """The bodies of one process that are on disk. Needs no lock: only one event loop uses it."""

    def __init__(self, folder: Path, limits: UploadLimits) -> None:
        self.folder = folder
        self.limits = limits
        self.bytes = 0
        metrics.SPOOLED_BYTES.set_function(lambda: self.bytes)

    async def read(self, request: Request) -> SpooledBody:
        """Close its file by `release`. Raises BodyTooLarge, InvalidMultipart, NoSpoolSpace or ClientDisconnect."""
        self.folder.mkdir(parents=True, exist_ok=True)
        spooled = SpooledBody(tempfile.TemporaryFile(dir=self.folder))  # noqa: SIM115 (`release` closes it)
        try:
            await self._read(request, spooled)
        except BaseException as error:
            self.release(spooled)
            if isinstance(error, OSError):
                raise NoSpoolSpace from error
            raise
        return spooled

    def release(self, spooled: SpooledBody) -> None:
        spooled.file.close()
        self.bytes -= spooled.size
        spooled.size = 0

    async def _read(self, request: Request, spooled: SpooledBody) -> None:
        declared = request.headers.get("content-length", "")
        is_too_large = declared.isdigit() and int(declared[:12]) > MAX_STREAMED_BYTES
        parts = _PartCounter(request.headers.get("content-type", ""), self.limits)
        pending = bytearray()
        async for chunk in request.stream():
            parts.feed(chunk)
            if is_too_large:
                parts.refuse("media_too_large")
            spooled.fields, spooled.refusal = parts.fields, parts.refusal
            if spooled.refusal:
                return
            pending += chunk
            if len(pending) >= WRITE_BYTES:
                await self._write(spooled, pending)
        await self._write(spooled, pending)
        spooled.file.seek(0)

    async def _write(self, spooled: SpooledBody, pending: bytearray) -> None:
        if self.bytes + len(pending) > MAX_SPOOLED_BYTES:
            raise NoSpoolSpace
        if spooled.size + len(pending) > MAX_STREAMED_BYTES:
            raise BodyTooLarge
        self.bytes += len(pending)
        spooled.size += len(pending)
        await to_thread.run_sync(spooled.file.write, bytes(pending))
        pending.clear()


class _PartCounter:
    """Measures the parts as they pass, and keeps the text fields."""

    def __init__(self, content_type: str, limits: UploadLimits) -> None:
        self.limits = limits
        self.fields: list[tuple[str, str]] = []
        self.refusal: tuple[str, str] | None = None
        self._files = self._part_bytes = self._field_bytes = 0
        self._name, self._filename = "", ""
        self._is_file = False
        self._header_name, self._header_value, self._value = bytearray(), bytearray(), bytearray()
        self._headers: dict[str, bytes] = {}
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise InvalidMultipart
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidMultipart from error

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._part_bytes = 0
        self._value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        _disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._filename = options.get(b"filename", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in options
        if self._is_file and self._filename:
            self._files += 1
            if self._files > self.limits.max_files:
                self.refuse("too_many_files")
        elif not self._is_file and len(self.fields) >= MAX_FIELDS:
            raise BodyTooLarge

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._part_bytes += end - start
        if not self._is_file:
            self._field_bytes += end - start
            if self._field_bytes > MAX_FORM_BYTES:
                raise BodyTooLarge
            self._value += data[start:end]
        elif self._part_bytes > self.limits.max_file_bytes:
            self.refuse("media_too_large")

    def _on_part_end(self) -> None:
        if not self._is_file:
            self.fields.append((self._name, self._value.decode("utf-8", "replace")))

    def refuse(self, code: str) -> None:
        self.refusal = self.refusal or (code, self._filename)
