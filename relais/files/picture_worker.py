"""Prepares one picture for sending, in a process of its own: `python -m relais.files.picture_worker TYPE MAX_BYTES`.

Reads the picture from standard input and writes the new one to standard output. In its own process, since decoding
takes tens of megabytes, and what breaks a decoder must not break the web process. Exit codes are in `pictures.py`.
"""

from __future__ import annotations

import resource
import sys
import warnings
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps

from relais.files.pictures import EXIT_TOO_MANY_PIXELS, EXIT_UNCHANGED, EXIT_UNREADABLE, MAX_PIXELS

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/heic": "HEIF"}
JPEG_STEPS = ((4096, 88), (3200, 82), (2560, 78), (2048, 74), (1600, 70), (1024, 60))
"""Longest side and quality, tried in this order until the picture is small enough."""
PRIVATE_CHUNKS = ("exif", "xmp", "XML:com.adobe.xmp", "photoshop", "comment", "Raw profile type exif")
"""Where the position, the camera and its owner may be, by Pillow's names."""
MAX_MEMORY_BYTES = 1024**3
MAX_CPU_SECONDS = 20


def main(content_type: str, max_bytes: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    if content_type == "image/heic":
        import pi_heif

        pi_heif.register_heif_opener()
    source = sys.stdin.buffer
    try:
        with Image.open(source, formats=(FORMATS[content_type],)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return EXIT_TOO_MANY_PIXELS
            size = source.seek(0, 2)
            if not _must_change(picture, content_type, size, max_bytes):
                picture.load()  # A broken one is refused here, not by the client's phone.
                return EXIT_UNCHANGED
            sys.stdout.buffer.write(_prepared(picture, content_type, size, max_bytes))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return EXIT_TOO_MANY_PIXELS
    except (OSError, SyntaxError, ValueError, MemoryError):  # what Pillow raises for broken files
        return EXIT_UNREADABLE
    return 0


def _must_change(picture: Image.Image, content_type: str, size: int, max_bytes: int) -> bool:
    if content_type not in ("image/jpeg", "image/png") or size > max_bytes:
        return True
    texts = getattr(picture, "text", {})  # PNG
    return bool(picture.getexif()) or bool(texts) or any(name in picture.info for name in PRIVATE_CHUNKS)


def _prepared(picture: Image.Image, content_type: str, size: int, max_bytes: int) -> bytes:
    """Upright, without metadata, except for the colour profile."""
    profile: dict[str, Any] = {"icc_profile": picture.info.get("icc_profile")}
    is_upright = picture.getexif().get(0x0112, 1) == 1
    if content_type == "image/jpeg" and size <= max_bytes and is_upright:
        # The same compression, so that nothing is lost but the metadata.
        result = _save(picture, "JPEG", quality="keep", **profile)
        if len(result) <= max_bytes:
            return result
    upright = ImageOps.exif_transpose(picture)
    if content_type == "image/png" and size <= max_bytes:
        upright.info = {}
        result = _save(upright, "PNG", **profile)
        if len(result) <= max_bytes:
            return result
    flat = _flattened(upright)
    for side, quality in JPEG_STEPS:
        flat.thumbnail((side, side))
        result = _save(flat, "JPEG", quality=quality, optimize=True, **profile)
        if len(result) <= max_bytes:
            return result
    raise ValueError("no step makes it small enough")


def _flattened(picture: Image.Image) -> Image.Image:
    """On white: JPEG has no transparency."""
    if picture.mode in ("RGB", "L"):
        return picture
    with_alpha = picture.convert("RGBA")
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return flat


def _save(picture: Image.Image, format: str, **options: Any) -> bytes:
    result = BytesIO()
    picture.save(result, format, exif=b"", **options)
    return result.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
