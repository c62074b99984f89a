"""Reads one file in a process of its own: `python -m relais.files.preview_worker`, the file on standard input.

Writes a line of JSON with the details of the file, then the thumbnail if it is a picture. In its own process, since it
reads files of strangers: what breaks a decoder must not break the jobs, and memory and time are bounded.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from io import BytesIO
from typing import Any, BinaryIO

from relais.files.content_types import detect_content_type
from relais.files.file_details import read_details
from relais.files.pictures import MAX_PIXELS

MAX_MEMORY_BYTES = 768 * 1024**2
MAX_CPU_SECONDS = 20
THUMBNAIL_SIDE_PIXELS = 640
"""Twice what the page shows, for dense screens."""
THUMBNAIL_QUALITY = 76
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


def main(source: BinaryIO, target: BinaryIO) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    logging.disable(logging.CRITICAL)
    details, thumbnail = read_preview(source)
    target.write(json.dumps(details).encode() + b"\n" + thumbnail)
    return 0


def read_preview(source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Nothing of what cannot be read: parsers raise errors of every kind for broken files."""
    head = source.read(6)
    content_type = "image/gif" if head in (b"GIF87a", b"GIF89a") else detect_content_type(source)
    try:
        if content_type.startswith("image/"):
            return _picture(source)
        return read_details(source, content_type), b""
    except Exception:
        return {}, b""


def _picture(source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    source.seek(0)
    with Image.open(source, formats=PICTURE_FORMATS) as picture:
        is_turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = picture.size[::-1] if is_turned else picture.size
        details = {"width": width, "height": height}
        if getattr(picture, "n_frames", 1) > 1:
            details["frames"] = picture.n_frames  # type: ignore[attr-defined]
        # Decodes a JPEG at a fraction of its size.
        picture.draft("RGB", (THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS))
        exif = picture.getexif()
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        mode = "RGBA" if has_alpha else "L" if picture.mode == "L" else "RGB"
        # Made smaller before it is turned: turning copies the picture.
        small = picture if picture.mode == mode else picture.convert(mode)
        small.thumbnail((THUMBNAIL_SIDE_PIXELS, THUMBNAIL_SIDE_PIXELS))
        small.getexif().update(exif)
        upright = ImageOps.exif_transpose(small)
        upright.info = {}
        result = BytesIO()
        # Without metadata: the place of the client's house stands in it.
        upright.save(result, "WEBP", quality=THUMBNAIL_QUALITY, exif=b"", xmp=b"", icc_profile=b"")
    return details, result.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
