"""What a file says of itself: how long a recording plays, the pages and the title of a document, contacts, dimensions.

Reads files of strangers: `preview_worker.py` calls it, in a process of its own with bounded memory and time.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import Any, BinaryIO
from xml.etree import ElementTree

from relais.files.channel_types import OFFICE
from relais.files.mp4_boxes import mp4_boxes, read_at
from relais.files.vcards import parse_contacts
from relais.text import has_visible_characters

MAX_TITLE_CHARACTERS = 120
MAX_VCARD_BYTES = 256 * 1024
"""A card with a photograph of the person."""
MAX_XML_BYTES = 1024 * 1024
OGG_TAIL_BYTES = 128 * 1024
"""More than two of its pages, of which each has at most 65,307 bytes."""
OPUS_HEAD_OFFSET, OPUS_RATE = 28, 48_000
AMR_FRAME_BYTES = (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1)
"""By the mode of a frame, its first byte included."""
AMR_FRAME_SECONDS = 0.02
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AAC_FRAME_SAMPLES = 1024
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
PROPERTIES = "{http://schemas.openxmlformats.org/officeDocument/2006/extended-properties}"
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_details(file: BinaryIO, content_type: str) -> dict[str, Any]:
    """Only what is certain; a key is missing if its value is unknown."""
    if content_type == "application/pdf":
        return _pdf_details(file)
    if content_type.startswith(OFFICE):
        return _office_details(file)
    if content_type in ("text/vcard", "text/x-vcard"):
        file.seek(0)
        contacts = parse_contacts(file.read(MAX_VCARD_BYTES))
        return {"contacts": contacts} if contacts else {}
    seconds = _seconds(file, content_type)
    return {"seconds": round(seconds, 2)} if seconds else {}


def _seconds(file: BinaryIO, content_type: str) -> float | None:
    if content_type == "audio/ogg":
        return _opus_seconds(file)
    if content_type in ("video/mp4", "audio/mp4", "video/3gpp", "audio/3gpp"):
        return _mp4_seconds(file)
    if content_type == "audio/amr":
        return _amr_seconds(file)
    return _aac_seconds(file) if content_type == "audio/aac" else None


def _opus_seconds(file: BinaryIO) -> float | None:
    """The last page has the number of samples, of which the first ones are skipped (RFC 7845)."""
    head = read_at(file, OPUS_HEAD_OFFSET, 12)
    size = file.seek(0, os.SEEK_END)
    tail = read_at(file, max(0, size - OGG_TAIL_BYTES), OGG_TAIL_BYTES)
    page = tail.rfind(b"OggS")
    if head[:8] != b"OpusHead" or page < 0 or len(tail) < page + 14:
        return None
    (samples,) = struct.unpack_from("<q", tail, page + 6)
    return max(0, samples - int.from_bytes(head[10:12], "little")) / OPUS_RATE


def _mp4_seconds(file: BinaryIO) -> float | None:
    """From the movie header: version, times, time scale and duration."""
    for name, start, stop in mp4_boxes(file, containers=(b"moov",)):
        if name != b"mvhd" or stop - start < 20:
            continue
        header = read_at(file, start, 32)
        is_long = header[0] == 1
        if is_long and len(header) < 32:
            return None
        scale, duration = struct.unpack_from(">IQ" if is_long else ">II", header, 20 if is_long else 12)
        unknown = (1 << 64 if is_long else 1 << 32) - 1
        return duration / scale if scale and duration != unknown else None
    return None


def _amr_seconds(file: BinaryIO) -> float | None:
    file.seek(0)
    content = file.read()
    if not content.startswith(b"#!AMR\n"):
        return None  # Wideband has other frames.
    at, frames = 6, 0
    while at < len(content):
        at += AMR_FRAME_BYTES[content[at] >> 3 & 15]
        frames += 1
    return frames * AMR_FRAME_SECONDS


def _aac_seconds(file: BinaryIO) -> float | None:
    file.seek(0)
    content = file.read()
    at, seconds = 0, 0.0
    while at + 7 <= len(content) and content[at] == 0xFF and content[at + 1] & 0xF6 == 0xF0:
        rate = content[at + 2] >> 2 & 15
        length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        if length < 7 or rate >= len(AAC_RATES):
            return None
        seconds += AAC_FRAME_SAMPLES * ((content[at + 6] & 3) + 1) / AAC_RATES[rate]
        at += length
    return seconds or None


def _pdf_details(file: BinaryIO) -> dict[str, Any]:
    from pypdf import PdfReader

    file.seek(0)
    reader = PdfReader(file)
    title = reader.metadata.title if reader.metadata else None
    return _without_unknown(pages=len(reader.pages), title=clean_title(title))


def _office_details(file: BinaryIO) -> dict[str, Any]:
    """The title of a document, the number of its pages or slides, the name of a table's first sheet."""
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        core = _xml_of(archive, "docProps/core.xml")
        properties = _xml_of(archive, "docProps/app.xml")
        workbook = _xml_of(archive, "xl/workbook.xml")
    title = core.findtext(f"{DUBLIN_CORE}title") if core is not None else None
    sheet = workbook.find(f"{SPREADSHEET}sheets/{SPREADSHEET}sheet") if workbook is not None else None
    counts = {
        key: int(text)
        for key, name in (("pages", "Pages"), ("slides", "Slides"))
        if properties is not None
        and (text := properties.findtext(f"{PROPERTIES}{name}") or "").isascii()
        and text.isdecimal()
        and len(text) < 6
    }
    first_sheet = clean_title(sheet.get("name") if sheet is not None else None)
    return _without_unknown(title=clean_title(title), sheet=first_sheet, **counts)


def _xml_of(archive: zipfile.ZipFile, name: str) -> ElementTree.Element | None:
    if name not in archive.namelist():
        return None
    with archive.open(name) as part:
        content = part.read(MAX_XML_BYTES + 1)
    # A part with entities of its own is none of an office program.
    if len(content) > MAX_XML_BYTES or b"<!DOCTYPE" in content:
        return None
    return ElementTree.fromstring(content)  # noqa: S314 (no DTD, bounded, in a process of its own)


def clean_title(text: object) -> str:
    """On one line, without control characters, of a bounded length; empty if nothing is left."""
    line = " ".join("".join(each if each.isprintable() else " " for each in str(text or "")).split())
    if not has_visible_characters(line):
        return ""
    return line if len(line) <= MAX_TITLE_CHARACTERS else line[: MAX_TITLE_CHARACTERS - 1] + "…"


def _without_unknown(**details: Any) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value}
