"""The content type of a file to send, detected by its content, never by its name: only what `channel_types.py` lists.

Reads a few kilobytes of the file, wherever they stand in it.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from relais.files.channel_types import OFFICE
from relais.files.mp4_boxes import mp4_boxes, read_at
from relais.files.voice_notes import MP4_OPUS, WEBM_OPUS

HEAD_BYTES = 1024
SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"#!AMR\n", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
)
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
UNPLAYABLE_MP4_BRANDS = frozenset({b"qt  ", b"avif", b"avis"})
OFFICE_FOLDERS = {
    "word/": f"{OFFICE}wordprocessingml.document",
    "xl/": f"{OFFICE}spreadsheetml.sheet",
    "ppt/": f"{OFFICE}presentationml.presentation",
}
MP4_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
VIDEO_CODECS, SOUND_CODECS = (b"", b"avc1", b"avc3"), (b"", b"mp4a")
"""What WhatsApp plays in a video: H.264 and AAC."""
UNPLAYABLE_VIDEO = "video/mp4; codecs=other"
"""An MP4 video of other codecs, such as HEVC. The channel takes none."""
MAX_ZIP_DIRECTORY_BYTES = 256 * 1024
"""Its entries are read into memory; an office document has about a hundred."""
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OLE_DIRECTORY_BYTES = 8 * 1024
WORD_STREAM = "WordDocument".encode("utf-16-le")


def detect_content_type(file: BinaryIO) -> str:
    """Empty if the channel takes no such file, not even after a conversion."""
    size = file.seek(0, os.SEEK_END)
    head = read_at(file, 0, HEAD_BYTES)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return WEBM_OPUS if b"A_OPUS" in head and b"V_" not in head else ""
    if head.startswith(b"OggS"):
        return "audio/ogg" if head[28:36] == b"OpusHead" else ""
    if head[4:8] == b"ftyp":
        return _detect_mp4(file, head, size)
    if head.startswith(b"PK\x03\x04"):
        return _detect_office(file, size)
    if head.startswith(OLE_MAGIC):
        return "application/msword" if _is_word_97(file, head) else ""
    if b"%PDF-" in head:
        return "application/pdf"
    if _is_vcard(head):
        return "text/vcard"
    return next((kind for magic, kind in SIGNATURES if head.startswith(magic)), "")


def _is_vcard(head: bytes) -> bool:
    first_line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    return first_line.strip().upper() == b"BEGIN:VCARD"


def _detect_mp4(file: BinaryIO, head: bytes, size: int) -> str:
    brand = head[8:12]
    if brand in HEIC_BRANDS:
        return "image/heic"
    if brand in UNPLAYABLE_MP4_BRANDS:
        return ""
    tracks = set(_mp4_tracks(file))
    handlers = {handler for handler, _codec in tracks}
    if b"vide" in handlers:
        if brand.startswith(b"3g"):
            return ""
        playable = {b"vide": VIDEO_CODECS, b"soun": SOUND_CODECS}
        is_playable = all(codec in playable.get(handler, (codec,)) for handler, codec in tracks)
        return "video/mp4" if is_playable else UNPLAYABLE_VIDEO
    if (b"soun", b"Opus") in tracks:
        return MP4_OPUS
    if b"soun" in handlers or brand in (b"M4A ", b"M4B "):
        return "audio/3gpp" if brand.startswith(b"3g") else "audio/mp4"
    return ""


def _mp4_tracks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Of each track the handler type, `soun`, `vide` or another, and the codec, empty if it has none."""
    handler = b""
    for name, body, _stop in mp4_boxes(file, containers=MP4_CONTAINERS):
        if name == b"hdlr":
            handler = read_at(file, body + 8, 4)
            yield handler, b""
        elif name == b"stsd":
            yield handler, read_at(file, body + 12, 4)


def _detect_office(file: BinaryIO, size: int) -> str:
    tail = read_at(file, max(0, size - 65_557), 65_557)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 16:
        return ""
    (directory_bytes,) = struct.unpack_from("<I", tail, end + 12)
    if directory_bytes > MAX_ZIP_DIRECTORY_BYTES:
        return ""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return ""
    if "[Content_Types].xml" not in names:
        return ""
    # A document with macros has the same folders; WhatsApp takes none.
    if any(name.endswith("vbaProject.bin") for name in names):
        return ""
    folders = [folder for folder in OFFICE_FOLDERS if any(name.startswith(folder) for name in names)]
    return OFFICE_FOLDERS[folders[0]] if len(folders) == 1 else ""


def _is_word_97(file: BinaryIO, head: bytes) -> bool:
    """Excel and PowerPoint files have the same container, and another stream in its directory."""
    sector_bytes = 1 << min(12, int.from_bytes(head[30:32], "little"))
    directory = (int.from_bytes(head[48:52], "little") + 1) * sector_bytes
    return WORD_STREAM in read_at(file, directory, OLE_DIRECTORY_BYTES)
