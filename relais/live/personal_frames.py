"""Frames for single users, sent to all their open pages: by NOTIFY, so any process may send them.

A page that is not connected misses them: what must not be missed belongs in a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from relais.live.frames import Frame

CHANNEL = "personal_frames"
MAX_PAYLOAD_BYTES = 7_999
"""PostgreSQL's limit of a notification."""
USERS_PER_NOTIFY = 200


@dataclass(frozen=True)
class PersonalFrame:
    users: frozenset[int]
    frame: Frame
    unless_reading: int | None
    """Not for users who have this conversation in front of them."""


def notify_users(
    users: Sequence[int], fields: Mapping[str, object], *, unless_reading: int | None = None
) -> None:
    """Send a frame to the pages of these users once the transaction commits. Raises ValueError if it is too long."""
    for payload in _payloads(users, fields, unless_reading):
        if len(payload.encode()) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a personal frame has at most {MAX_PAYLOAD_BYTES} bytes")
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, %s)", [CHANNEL, payload])


def _payloads(
    users: Sequence[int], fields: Mapping[str, object], unless_reading: int | None
) -> Iterator[str]:
    for start in range(0, len(users), USERS_PER_NOTIFY):
        slice_of_users = list(users[start : start + USERS_PER_NOTIFY])
        yield json.dumps(
            {"users": slice_of_users, "unless_reading": unless_reading, "frame": dict(fields)},
            ensure_ascii=False,
            separators=(",", ":"),
        )


def parse(payload: str) -> PersonalFrame:
    fields = json.loads(payload)
    frame = Frame(
        fields["frame"]["kind"], json.dumps(fields["frame"], ensure_ascii=False, separators=(",", ":"))
    )
    return PersonalFrame(frozenset(fields["users"]), frame, fields["unless_reading"])
