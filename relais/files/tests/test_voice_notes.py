"""What browsers record becomes an Ogg file that holds the same sound."""

import struct
from io import BytesIO

import pytest

from relais.files.content_types import detect_content_type
from relais.files.tests import samples
from relais.files.voice_notes import (
    MAX_VOICE_NOTE_BYTES,
    MP4_OPUS,
    WEBM_OPUS,
    InvalidRecording,
    convert_to_ogg,
)

RECORDINGS = [
    (WEBM_OPUS, samples.WEBM_OPUS),
    (MP4_OPUS, samples.MP4_OPUS),
    (MP4_OPUS, samples.WHOLE_MP4_OPUS),
]


def converted(content_type, content):
    target = BytesIO()
    convert_to_ogg(BytesIO(content), content_type, target)
    return target.getvalue()


def checksum(page):
    """Bit by bit, as the specification of Ogg describes it."""
    value = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        value ^= byte << 24
        for _bit in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


def pages(ogg):
    """Of each page its flags, position, number and packets."""
    found, at = [], 0
    while at < len(ogg):
        mark, _version, flags, position, _serial, number, check, count = struct.unpack_from(
            "<4sBBqIIIB", ogg, at
        )
        lacing = ogg[at + 27 : at + 27 + count]
        start = at + 27 + count
        end = start + sum(lacing)
        assert (mark, check) == (b"OggS", checksum(ogg[at:end]))
        packets, packet = [], b""
        for length in lacing:
            packet += ogg[start : start + length]
            start += length
            if length < 255:
                packets.append(packet)
                packet = b""
        found.append((flags, position, number, packets))
        at = end
    return found


@pytest.mark.parametrize(("content_type", "content"), RECORDINGS, ids=["webm", "fragmented mp4", "whole mp4"])
def test_the_packets_stay_as_they_are(content_type, content):
    ogg = converted(content_type, content)
    assert detect_content_type(BytesIO(ogg)) == "audio/ogg"
    found = pages(ogg)
    assert [number for _flags, _position, number, _packets in found] == list(range(len(found)))
    assert (found[0][0], found[-1][0]) == (2, 4)
    head, tags, *sound = [packet for *_rest, packets in found for packet in packets]
    assert head.startswith(b"OpusHead\x01\x01") and tags.startswith(b"OpusTags")
    assert len(sound) > 15 and all(packet in content for packet in sound)
    assert 1.1 < found[-1][1] / 48_000 < 1.6


def test_a_long_recording_has_many_pages():
    before_the_first_cluster = samples.WEBM_OPUS.split(b"\x1fC\xb6u", 1)[0]
    block = b"\xa3\x41\x04\x81\x00\x00\x80" + b"\x08" + bytes(255)
    found = pages(converted(WEBM_OPUS, before_the_first_cluster + block * 300))
    assert len(found) > 6 and found[-1][1] == 300 * 960
    assert sum(len(each[3]) for each in found[2:]) == 300


@pytest.mark.parametrize(("content_type", "content"), RECORDINGS[:2], ids=["webm", "fragmented mp4"])
def test_a_cut_recording_gives_what_it_holds(content_type, content):
    whole, cut = (
        sum(len(packets) for *_rest, packets in pages(converted(content_type, each)))
        for each in (content, content[: len(content) * 2 // 3])
    )
    assert 3 < cut < whole


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1aE\xdf\xa3", bytes(100), samples.WEBM_OPUS[:100], samples.MP4_OPUS[:700], b"\xff" * 1000],
)
@pytest.mark.parametrize("content_type", [WEBM_OPUS, MP4_OPUS])
def test_anything_else_is_no_voice_note(content_type, content):
    with pytest.raises(InvalidRecording):
        converted(content_type, content)


def test_a_huge_recording_is_not_read():
    with pytest.raises(InvalidRecording):
        converted(WEBM_OPUS, samples.WEBM_OPUS + bytes(MAX_VOICE_NOTE_BYTES))


def test_a_small_file_cannot_name_the_same_bytes_a_thousand_times():
    start = samples.WHOLE_MP4_OPUS.index(b"stsd") - 4
    size = int.from_bytes(samples.WHOLE_MP4_OPUS[start : start + 4], "big")
    tables = samples.WHOLE_MP4_OPUS[start : start + size]
    tables += samples.box(b"stsz", struct.pack(">III", 0, 1000, 1_000_000))
    tables += samples.box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 3, 1))
    tables += samples.box(b"stco", struct.pack(">II1000I", 0, 1000, *[0] * 1000))
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        tables = samples.box(name, tables)
    with pytest.raises(InvalidRecording):
        converted(MP4_OPUS, tables + bytes(10_000))
