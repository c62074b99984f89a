"""Authentication of sockets by the session cookie, without the ORM: when one opens, and again while it is open."""

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

SELECT_SESSIONS = (
    "select session_key, session_data from django_session where session_key = any(%s) and expire_date > now()"
)


def session_key(connection: HTTPConnection) -> str:
    """Empty without a cookie, or if it cannot be one of Django's: a quoted cookie can contain a NUL."""
    key = connection.cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if key.isalnum() else ""


async def viewers_by_session(source: LiveSource, db: Database, keys: Collection[str]) -> dict[str, Viewer]:
    """The viewer of each session key. Sessions that are not valid (any more) are missing."""
    sessions = await (await db.execute(SELECT_SESSIONS, [list(keys)])).fetchall()
    decoded = {key: session for key, data in sessions if (session := _decode_session(data))}
    users = await source.viewers(db, {user for user, _ in decoded.values()})
    return {
        key: users[user]
        for key, (user, auth_hash) in decoded.items()
        if user in users and _is_valid(users[user], auth_hash)
    }


def _is_valid(viewer: Viewer, auth_hash: str) -> bool:
    hashes = _session_auth_hashes(viewer.password)
    return viewer.is_active and any(constant_time_compare(auth_hash, each) for each in hashes)


@lru_cache(maxsize=4096)
def _decode_session(session_data: str) -> tuple[int, str] | None:
    """The user's id and session auth hash, both as the session states them."""
    data = SessionStore().decode(session_data)
    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    return int(data[SESSION_KEY]), data.get(HASH_SESSION_KEY, "")


@lru_cache(maxsize=4096)
def _session_auth_hashes(password: str) -> tuple[str, ...]:
    """The valid session auth hashes of a user with this password hash: of the current and the older secret keys."""
    user = get_user_model()(password=password)
    return (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())


def is_same_origin(connection: HTTPConnection) -> bool:
    """Against cross-site WebSocket hijacking. Browsers always send Origin with a handshake; programs need not."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    try:
        given, public = urlsplit(origin), urlsplit(settings.PUBLIC_BASE_URL)
    except ValueError:
        return False
    return given.netloc == connection.headers.get("host") or given[:2] == public[:2]
