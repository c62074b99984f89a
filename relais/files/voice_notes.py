"""Voice notes: the Opus sound that browsers record in WebM or MP4, put into Ogg, which WhatsApp plays as a voice note.

Only the container changes, the packets stay as they are. Formats: RFC 7845 (Ogg Opus), RFC 6716 section 3.1 (packets),
Matroska's elements, and the boxes of MP4: fragmented, as most browsers record it, or whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_VOICE_NOTE_BYTES = 1024 * 1024
"""Above 512 kB WhatsApp shows no play button; the page stops recording there. It is converted in memory."""
WEBM_OPUS, MP4_OPUS = "audio/webm", "audio/mp4; codecs=opus"
SAMPLES_PER_SECOND = 48_000
PACKETS_PER_PAGE = 50
MAX_SEGMENTS_PER_PAGE = 255
STREAM_SERIAL = 1


class InvalidRecording(ValueError):
    """The recording is broken, or holds no Opus sound."""


@dataclass(frozen=True)
class OpusStream:
    head: bytes
    """The identification header, `OpusHead`."""
    packets: list[bytes]


def convert_to_ogg(file: BinaryIO, content_type: str, target: BinaryIO) -> None:
    """Raises InvalidRecording. A recording that was cut off is converted as far as it goes."""
    file.seek(0, os.SEEK_SET)
    content = file.read(MAX_VOICE_NOTE_BYTES + 1)
    if len(content) > MAX_VOICE_NOTE_BYTES:
        raise InvalidRecording
    try:
        sound = _read_webm(content) if content_type == WEBM_OPUS else _read_mp4(content)
        for page in _ogg_pages(sound):
            target.write(page)
    except (IndexError, struct.error) as error:
        raise InvalidRecording from error


# -- WebM -----------------------------------------------------------------------------------------------

SEGMENT, TRACKS, TRACK_ENTRY, CLUSTER, BLOCK_GROUP = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675, 0xA0
CONTAINERS = frozenset({SEGMENT, TRACKS, TRACK_ENTRY, CLUSTER, BLOCK_GROUP})
CODEC_PRIVATE, BLOCK, SIMPLE_BLOCK = 0x63A2, 0xA1, 0xA3
LACING_FLAGS = 0x06


def _read_webm(content: bytes) -> OpusStream:
    head = b""
    packets: list[bytes] = []
    for element, body in _webm_elements(content):
        if element == CODEC_PRIVATE:
            head = body
        elif element in (BLOCK, SIMPLE_BLOCK):
            _track, start = _vint(body, 0)
            if body[start + 2] & LACING_FLAGS:
                raise InvalidRecording
            packets.append(body[start + 3 :])
    return _checked(head, packets)


def _webm_elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """All elements that contain no other, in order. The size of a live recording's segment and clusters is unknown."""
    at = 0
    while at + 2 <= len(content):
        start = at
        _value, at = _vint(content, start)
        element = int.from_bytes(content[start:at], "big")
        size, at = _vint(content, at)
        if element in CONTAINERS:
            continue
        if at + size > len(content):
            return
        yield element, content[at : at + size]
        at += size


def _vint(content: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, without its marker, and where it ends."""
    length = 9 - content[at].bit_length()
    if length > 8:
        raise InvalidRecording
    marker = 1 << 7 * length
    return int.from_bytes(content[at : at + length], "big") & (marker - 1), at + length


# -- MP4 --------------------------------------------------------------------------------------------------

MP4_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"traf"})
SAMPLE_TABLES = frozenset({b"stsz", b"stsc", b"stco", b"co64"})
SAMPLE_ENTRY_BYTES = 8 + 28
"""Of an audio sample entry, before the boxes in it."""
HAS_DATA_OFFSET, HAS_FIRST_FLAGS = 0x1, 0x4
HAS_DURATION, HAS_SIZE, HAS_FLAGS, HAS_TIME_OFFSET = 0x100, 0x200, 0x400, 0x800


def _read_mp4(content: bytes) -> OpusStream:
    head = b""
    is_opus_track = False
    packets: list[bytes] = []
    tables: dict[bytes, int] = {}
    bytes_left = len(content)
    for name, start, stop in _mp4_boxes(content, 0, len(content)):
        if name == b"stsd":
            found = b"" if head else _opus_head(content, start + 8 + SAMPLE_ENTRY_BYTES, stop)
            head, is_opus_track = head or found, bool(found)
        elif name in SAMPLE_TABLES and is_opus_track:
            tables[name] = start
        elif name == b"moof":
            for packet in _fragment_packets(content, start, stop):
                # Boxes may name the same bytes again and again.
                bytes_left -= len(packet)
                if bytes_left < 0:
                    raise InvalidRecording
                packets.append(packet)
    return _checked(head, packets or list(_table_packets(content, tables)))


def _mp4_boxes(content: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where its body starts and stops."""
    while at + 8 <= stop:
        size, name = struct.unpack_from(">I4s", content, at)
        end = stop if size == 0 else at + size
        if size == 1 or end < at + 8:
            raise InvalidRecording
        if name in MP4_CONTAINERS:
            yield from _mp4_boxes(content, at + 8, min(end, stop))
        else:
            yield name, at + 8, min(end, stop)
        at = end


def _opus_head(content: bytes, start: int, stop: int) -> bytes:
    """The same values as in the box `dOps`, in the order of bytes that Ogg has."""
    for name, body, _end in _mp4_boxes(content, start, stop):
        if name == b"dOps":
            _version, channels, pre_skip, rate, gain, mapping = struct.unpack_from(">BBHIhB", content, body)
            return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, pre_skip, rate, gain, mapping)
    return b""


def _fragment_packets(content: bytes, start: int, stop: int) -> Iterator[bytes]:
    """Offsets count from the beginning of the fragment's box, as browsers write them."""
    for name, at, _end in _mp4_boxes(content, start, stop):
        if name != b"trun":
            continue
        flags, count = struct.unpack_from(">II", content, at)
        flags &= 0xFFFFFF
        if not flags & HAS_SIZE or not flags & HAS_DATA_OFFSET:
            raise InvalidRecording
        (offset,) = struct.unpack_from(">i", content, at + 8)
        sample = at + 12 + (4 if flags & HAS_FIRST_FLAGS else 0)
        before_size = 4 if flags & HAS_DURATION else 0
        step = before_size + 4 + 4 * bool(flags & HAS_FLAGS) + 4 * bool(flags & HAS_TIME_OFFSET)
        position = start - 8 + offset
        for _n in range(count):
            (size,) = struct.unpack_from(">I", content, sample + before_size)
            if position + size > len(content):
                return
            yield content[position : position + size]
            position += size
            sample += step


def _table_packets(content: bytes, tables: dict[bytes, int]) -> Iterator[bytes]:
    """Of a file that is not fragmented: the sizes of all packets, how many each chunk has, and where it is."""
    if not {b"stsz", b"stsc"} <= tables.keys() or not {b"stco", b"co64"} & tables.keys():
        return
    sizes = _packet_sizes(content, tables[b"stsz"])
    bytes_left = len(content)
    for position, count in _chunks(content, tables):
        for _n in range(count):
            size = next(sizes, None)
            if size is None or position + size > len(content):
                return
            bytes_left -= size
            if bytes_left < 0:
                raise InvalidRecording
            yield content[position : position + size]
            position += size


def _packet_sizes(content: bytes, at: int) -> Iterator[int]:
    common_size, count = struct.unpack_from(">II", content, at + 4)
    for n in range(count):
        yield common_size or struct.unpack_from(">I", content, at + 12 + 4 * n)[0]


def _chunks(content: bytes, tables: dict[bytes, int]) -> Iterator[tuple[int, int]]:
    """Where each begins, and how many packets it has. The table of counts has a row where they change."""
    offset_format, offsets = (">Q", tables[b"co64"]) if b"co64" in tables else (">I", tables[b"stco"])
    (chunk_count,) = struct.unpack_from(">I", content, offsets + 4)
    (rows_left,) = struct.unpack_from(">I", content, tables[b"stsc"] + 4)
    row, packet_count = tables[b"stsc"] + 8, 0
    for chunk in range(1, chunk_count + 1):
        while rows_left:
            first_chunk, next_count = struct.unpack_from(">II", content, row)
            if first_chunk > chunk:
                break
            packet_count, row, rows_left = next_count, row + 12, rows_left - 1
        (position,) = struct.unpack_from(
            offset_format, content, offsets + 8 + (chunk - 1) * struct.calcsize(offset_format)
        )
        yield position, packet_count


# -- Ogg --------------------------------------------------------------------------------------------------


def _checked(head: bytes, packets: list[bytes]) -> OpusStream:
    packets = [packet for packet in packets if packet]
    if not head.startswith(b"OpusHead") or len(head) < 19 or not packets:
        raise InvalidRecording
    return OpusStream(head, packets)


def _ogg_pages(sound: OpusStream) -> Iterator[bytes]:
    vendor = b"Relais"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    yield _page([sound.head], number=0, position=0, is_first=True)
    yield _page([tags], number=1, position=0)
    number, position, segments = 2, 0, 0
    pending: list[bytes] = []
    for packet in sound.packets:
        packet_segments = len(packet) // 255 + 1
        if pending and (
            len(pending) == PACKETS_PER_PAGE or segments + packet_segments > MAX_SEGMENTS_PER_PAGE
        ):
            yield _page(pending, number=number, position=position)
            pending, segments, number = [], 0, number + 1
        pending.append(packet)
        segments += packet_segments
        position += _packet_samples(packet)
    yield _page(pending, number=number, position=position, is_last=True)


def _packet_samples(packet: bytes) -> int:
    """How long it plays, by its first byte: the mode gives the length of a frame, the code their number."""
    mode, code = packet[0] >> 3, packet[0] & 3
    if mode < 12:
        frame = (480, 960, 1920, 2880)[mode & 3]
    elif mode < 16:
        frame = (480, 960)[mode & 1]
    else:
        frame = 120 << (mode & 3)
    frames = (1, 2, 2)[code] if code < 3 else packet[1] & 0x3F
    return frame * frames


def _page(
    packets: list[bytes], *, number: int, position: int, is_first: bool = False, is_last: bool = False
) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    flags = 2 * is_first + 4 * is_last
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, STREAM_SERIAL, number, 0, len(lacing))
    page = header + lacing + b"".join(packets)
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _checksum_table() -> list[int]:
    table = []
    for n in range(256):
        value = n << 24
        for _bit in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


CHECKSUM_TABLE = _checksum_table()


def _checksum(page: bytes) -> int:
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ CHECKSUM_TABLE[value >> 24 ^ byte]
    return value
