"""What must be done before the web server and the jobs start: tables, static files, in a demo the accounts."""

import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection

from relais.web import bundles, storage

_OURS_ALONE = 0x52656C616973  # "Relais": any number nobody else locks.


def prepare() -> None:
    tables()
    static_files()
    if settings.DEMO:
        from relais.accounts.demo import create_demo_users

        create_demo_users()


def tables() -> None:
    """Of several machines that start at once on one database, one makes the tables and the others wait."""
    with connection.cursor() as cursor:
        while not _is_our_turn(cursor):
            time.sleep(0.2)
        try:
            call_command("migrate", interactive=False, verbosity=0)
            call_command("createcachetable", verbosity=0)
            _first_flow()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_OURS_ALONE])


def _is_our_turn(cursor: Any) -> bool:
    """Asked again and again: who waits inside the database would keep an index from being made concurrently."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_OURS_ALONE])
    return bool(cursor.fetchone()[0])


def _first_flow() -> None:
    from django.utils import timezone

    from relais.flows.default_flow import publish_first_flow

    publish_first_flow(at=timezone.now())


def static_files() -> None:
    """Only when one has changed: to name, compress and write them all takes longer than everything else here."""
    root, made_of = settings.STATIC_ROOT, settings.STATIC_ROOT.with_name("static.made-of")
    wanted = _digest_of_sources()
    if made_of.is_file() and made_of.read_text() == wanted and (root / "staticfiles.json").is_file():
        return
    made_of.unlink(missing_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    made_of.write_text(wanted)


def _digest_of_sources() -> str:
    """Of all that goes into them: contents, since a packer may give every file one date, and those who name them."""
    digest = hashlib.sha256(f"{version('django')} {version('whitenoise')}".encode())
    ours = [Path(storage.__file__), Path(bundles.__file__)]
    found = (files.path(name) for finder in get_finders() for name, files in finder.list([]))
    for path in [*ours, *sorted(map(Path, found))]:
        digest.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
