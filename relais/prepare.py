"""What must be done before the web server and the jobs start: tables, static files, in a demo the accounts."""

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection

_OURS_ALONE = 0x52656C616973  # "Relais": any number nobody else locks.


def prepare() -> None:
    tables()
    static_files()
    if settings.DEMO:
        from relais.accounts.demo import make_accounts

        make_accounts()


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

    from relais.flows.first_flow import publish_first_flow

    publish_first_flow(at=timezone.now())


def static_files() -> None:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
