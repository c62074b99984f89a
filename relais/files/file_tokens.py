"""Tokens that name a stored file to a user, who sends one back instead of uploading the file again.

They are signed, so that a user only sends files that he was shown. Nothing of them is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core import signing

from relais.files import errors
from relais.files.models import StoredFile
from relais.files.uploads import OutgoingFile

LIFETIME = timedelta(days=1)
"""A page stays open for a working day."""
_SALT = "relais.files.file_tokens"


def file_token(stored_id: int, *, content_type: str, filename: str, user_id: int) -> str:
    return signing.dumps([stored_id, content_type, filename, user_id], salt=_SALT)


def files_of_tokens(tokens: Sequence[str], *, user_id: int) -> list[OutgoingFile]:
    """In the order of the tokens. Raises FileRefused for a token that is wrong, too old or of someone else."""
    named = [_read(token, user_id) for token in tokens]
    stored = StoredFile.objects.in_bulk([pk for pk, _type, _name in named])
    if any(pk not in stored for pk, _type, _name in named):
        raise errors.missing()
    return [OutgoingFile(stored[pk], content_type, name) for pk, content_type, name in named]


def _read(token: str, user_id: int) -> tuple[int, str, str]:
    try:
        values: Any = signing.loads(token, salt=_SALT, max_age=LIFETIME)
        pk, content_type, filename, owner_id = values
    except (signing.BadSignature, ValueError):
        raise errors.missing() from None
    if owner_id != user_id:
        raise errors.missing()
    return pk, content_type, filename
