"""Who is behind a session cookie, asked of the database without the ORM, at the door and again while a socket lives."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare
from starlette.requests import HTTPConnection

from relais.live.pool import Database
from relais.live.protocol import LiveSource, Viewer

SESSIONS = (
    "select session_key, session_data from django_session where session_key = any(%s) and expire_date > now()"
)


def session_key(connection: HTTPConnection) -> str:
    """Empty when there is none, or one that is none of ours: a quoted cookie can hold a NUL."""
    key = connection.cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if key.isalnum() else ""


async def viewers(source: LiveSource, db: Database, keys: Collection[str]) -> dict[str, Viewer]:
    """Who is signed in by which of these sessions; the others are signed in no more."""
    sessions = await (await db.execute(SESSIONS, [list(keys)])).fetchall()
    claims = {key: claim for key, data in sessions if (claim := _claim(data))}
    users = await source.viewers(db, {user for user, _ in claims.values()})
    return {
        key: users[user]
        for key, (user, proof) in claims.items()
        if user in users and _holds(users[user], proof)
    }


def _holds(viewer: Viewer, proof: str) -> bool:
    return viewer.is_active and any(constant_time_compare(proof, good) for good in _proofs(viewer.password))


@lru_cache(maxsize=4096)
def _claim(session_data: str) -> tuple[int, str] | None:
    """The user a session says it belongs to, and its proof."""
    data = SessionStore().decode(session_data)
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    return int(data[SESSION_KEY]), data.get(HASH_SESSION_KEY, "")


@lru_cache(maxsize=4096)
def _proofs(password: str) -> tuple[str, ...]:
    """What a session must hold to belong to a user with this password (its hash): now, and under older secret keys."""
    user = get_user_model()(password=password)
    return (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())


def is_same_origin(connection: HTTPConnection) -> bool:
    """Browsers always say where a page that opens a socket comes from; programs need not."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    try:
        given, public = urlsplit(origin), urlsplit(settings.PUBLIC_BASE_URL)
    except ValueError:
        return False
    return given.netloc == connection.headers.get("host") or given[:2] == public[:2]
