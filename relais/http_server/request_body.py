"""Reading a request body within a bound. The bound of webhook calls is in `whatsapp/inbound/raw_request.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Other processes import what uses these bounds, and need no web framework for it.
    from starlette.requests import Request

MAX_FORM_BYTES = 2_000_000
"""No form without files is larger. It is Django's own limit, too (`settings.py`)."""
MAX_UPLOAD_BYTES = 6_000_000
"""A form with files (multipart): 5 MB and its fields. All bodies together have a budget in `connection_limits.py`."""
UPLOAD_PATH = re.compile(
    r"/dashboard/(?:chat/[0-9]{1,19}/send|quick-replies(?:/new|/[0-9]{1,18})?)/?", re.ASCII
)
"""Where files for clients arrive: their body goes to disk, not to memory, see `upload_spool.py`."""
MAX_STREAMED_BYTES = 10 * 16 * 1024 * 1024 + MAX_FORM_BYTES
"""Ten files of 16 MB, and the fields."""


class BodyTooLarge(Exception):
    """The body is larger than its bound."""


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Raises BodyTooLarge as soon as the bound is passed, before the body arrives if it is declared as larger."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:12]) > max_bytes:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge
    return b"".join(chunks)


def is_streamed_upload(method: str, path: str, content_type: str) -> bool:
    return (
        method == "POST"
        and content_type.lower().startswith("multipart/form-data")
        and UPLOAD_PATH.fullmatch(path) is not None
    )


def max_body_bytes(request: Request) -> int:
    """The bound of a page's request."""
    is_upload = request.headers.get("content-type", "").startswith("multipart/form-data")
    return MAX_UPLOAD_BYTES if is_upload else MAX_FORM_BYTES
