"""Types are detected by content, and only what the channel takes is let through."""

import zipfile
from io import BytesIO

import pytest

from relais.files.channel_types import CHANNEL_TYPES, CONVERTED_TYPES, OFFICE, channel_type
from relais.files.content_types import UNPLAYABLE_VIDEO, detect_content_type
from relais.files.tests import samples

ACCEPTED = {
    "image/jpeg": samples.picture("JPEG"),
    "image/png": samples.picture("PNG"),
    "image/webp": samples.picture("WEBP"),
    "image/heic": samples.HEIC,
    "video/mp4": samples.mp4(),
    "audio/ogg": samples.OGG_OPUS,
    "audio/webm": samples.WEBM_OPUS,
    "audio/mp4; codecs=opus": samples.MP4_OPUS,
    "audio/mp4": samples.mp4(b"M4A ", [b"soun"], codecs=[b"mp4a"]),
    "audio/3gpp": samples.mp4(b"3gp4", [b"soun"], codecs=[b"samr"]),
    "audio/aac": samples.AAC,
    "audio/mpeg": samples.MP3,
    "audio/amr": samples.AMR,
    "application/pdf": samples.PDF,
    "application/msword": samples.ole("WordDocument"),
    f"{OFFICE}wordprocessingml.document": samples.office("word"),
    f"{OFFICE}spreadsheetml.sheet": samples.office("xl"),
    f"{OFFICE}presentationml.presentation": samples.office("ppt"),
    "text/vcard": samples.VCARD,
}


@pytest.mark.parametrize("content_type", ACCEPTED)
def test_the_content_decides(content_type):
    assert detect_content_type(BytesIO(ACCEPTED[content_type])) == content_type


def test_every_type_of_the_table_is_detected():
    assert set(ACCEPTED) == {each.content_type for each in CHANNEL_TYPES} | set(CONVERTED_TYPES)


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "program": b"MZ\x90\x00" + bytes(100),
        "page": b"<html><script>alert(1)</script></html>",
        "drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "gif": b"GIF89a" + bytes(30),
        "vorbis": samples.OGG_VORBIS,
        "quicktime": samples.mp4(b"qt  "),
        "video of a browser": samples.WEBM_OPUS.replace(b"A_OPUS", b"V_VP9 "),
        "video of an old phone": samples.mp4(b"3gp4", [b"vide"]),
        "mp4 without a track": samples.mp4(handlers=[]),
        "old workbook": samples.ole("Workbook"),
        "archive": samples.office("photos"),
        "document with macros": samples.office("word", macros=True),
        "broken archive": b"PK\x03\x04" + bytes(100),
        "text": b"bonjour",
        "cut mp4": samples.mp4()[:30],
    }.items(),
    ids=lambda item: item[0],
)
def test_everything_else_is_refused(content):
    assert detect_content_type(BytesIO(content[1])) == ""


def test_an_archive_with_a_huge_directory_is_not_read():
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        for n in range(6_000):
            archive.writestr(f"word/{n}", "")
    assert detect_content_type(file) == ""


@pytest.mark.parametrize(
    ("codecs", "is_playable"),
    [
        ([b"avc1", b"mp4a"], True),
        ([b"avc3", b"mp4a"], True),
        ([b"hvc1", b"mp4a"], False),
        ([b"hev1", b"mp4a"], False),
        ([b"av01", b"mp4a"], False),
        ([b"avc1", b"Opus"], False),
    ],
)
def test_the_codecs_of_a_video_decide(codecs, is_playable):
    found = detect_content_type(BytesIO(samples.mp4(codecs=codecs)))
    assert found == ("video/mp4" if is_playable else UNPLAYABLE_VIDEO)
    assert (channel_type(found) is not None) == is_playable


def test_a_video_without_sound_and_with_other_tracks_is_a_video():
    assert detect_content_type(BytesIO(samples.mp4(handlers=[b"vide"]))) == "video/mp4"
    with_metadata = samples.mp4(handlers=[b"vide", b"soun", b"meta"], codecs=[b"avc1", b"mp4a", b"mebx"])
    assert detect_content_type(BytesIO(with_metadata)) == "video/mp4"
