"""Small files of each kind, as programs really write them."""

import base64
import struct
import zipfile
from io import BytesIO
from pathlib import Path

from PIL import Image

RECORDINGS = Path(__file__).parent / "data"
WEBM_OPUS, MP4_OPUS, WHOLE_MP4_OPUS = (
    (RECORDINGS / name).read_bytes() for name in ("voice.webm", "voice.mp4", "voice-whole.mp4")
)
"""1.3 seconds that Chromium recorded, in pieces of half a second, mono."""
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAb5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ADRpbG9jAAAAAERAAAIAAQAAAAAB4gABAAAAAAAAABoAAgAAAAAB/AABAAAAAAAAADYAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA"
    "AAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAA"
    "kAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq"
    "5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xh"
    "cAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAA"
    "ABppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAAWG1kYXQAAAAWKAGvGYDvSaW//9/jH/X2r/imtaY+bgAAAAZFeGlmAABNTQAqAAAA"
    "CAACAQ8AAgAAAAYAAAAmARIAAwAAAAEAAQAAAAAAAFBob25lAA=="
)
"""64 × 48 pixels, of a camera named Phone."""
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
VCARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Awa Diop\r\nTEL:+212600000001\r\nEND:VCARD\r\n"
OGG_OPUS = b"OggS\x00\x02" + bytes(20) + b"\x01\x13" + b"OpusHead\x01\x01" + bytes(40)
OGG_VORBIS = b"OggS\x00\x02" + bytes(20) + b"\x01\x1e" + b"\x01vorbis" + bytes(40)
MP3 = b"ID3\x04\x00\x00" + bytes(60)
AAC = b"\xff\xf1\x50\x80" + bytes(60)
AMR = b"#!AMR\n" + bytes(60)


def box(name, body):
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4(brand=b"isom", handlers=(b"vide", b"soun"), payload=b"", codecs=(b"avc1", b"mp4a")):
    tracks = b"".join(track(*each) for each in zip(handlers, codecs, strict=False))
    return box(b"ftyp", brand + bytes(4)) + box(b"mdat", payload) + box(b"moov", tracks)


def track(handler, codec):
    table = box(b"stsd", bytes(4) + struct.pack(">I", 1) + box(codec, bytes(70)))
    described = box(b"hdlr", bytes(8) + handler + bytes(12)) + box(b"minf", box(b"stbl", table))
    return box(b"trak", box(b"mdia", described))


def office(folder, macros=False, parts=None):
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}/document.xml", "<document/>")
        for name, text in (parts or {}).items():
            archive.writestr(name, text)
        if macros:
            archive.writestr(f"{folder}/vbaProject.bin", "x")
    return file.getvalue()


def ole(stream):
    """The first sectors of an Office file of before 2007."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    header[30:32] = struct.pack("<H", 9)
    header[48:52] = struct.pack("<I", 1)
    return bytes(header) + bytes(512) + stream.encode("utf-16-le").ljust(512, b"\x00")


def picture(format="JPEG", size=(64, 48), mode="RGB", color=None, exif=True, **options):
    """With the position and the camera in its EXIF, and turned by the phone."""
    image = Image.new(mode, size, color if color is not None else (200, 30, 30))
    if exif:
        data = Image.Exif()
        data[0x010F] = "Phone"
        data[0x0112] = 6  # turned by 90 degrees
        data.get_ifd(0x8825)[1] = "N"
        options["exif"] = data
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(format, side):
    """A picture that compresses badly."""
    file = BytesIO()
    Image.effect_noise((side, side), 120).convert("RGB").save(
        file, format, **({"quality": 98} if format == "JPEG" else {})
    )
    return file.getvalue()
