"""Preparation before the web server and the jobs start: migrations, static files, in a demo the accounts."""

import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection

from relais.ops.errors import OperationError
from relais.web import bundles, storage

MIGRATION_LOCK_KEY = 0x52656C616973  # "Relais": a key that no other program locks.
LOCK_POLL_SECONDS = 0.2


def prepare() -> None:
    prepare_database()
    collect_static_files()
    if settings.DEMO:
        from relais.accounts.demo import create_demo_users

        create_demo_users()
        _create_demo_contents()


def _create_demo_contents() -> None:
    from django.utils import timezone

    from relais.demo.creation import create_sample_data
    from relais.macros.demo import create_demo_macros
    from relais.quick_replies.demo import create_demo_replies

    create_demo_replies(at=timezone.now())
    create_demo_macros(at=timezone.now())
    if settings.ENVIRONMENT.demo_conversations:
        create_sample_data(at=timezone.now())


def prepare_database() -> None:
    """Migrate under an advisory lock: of several machines that start at once, one migrates and the others wait."""
    with connection.cursor() as cursor:
        while not _try_lock(cursor):
            time.sleep(LOCK_POLL_SECONDS)
        try:
            _create_extensions()
            call_command("migrate", interactive=False, verbosity=0)
            call_command("createcachetable", verbosity=0)
            _publish_first_flow()
            if not settings.DEMO:
                _remove_demo_contents()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK_KEY])


def _create_extensions() -> None:
    from relais.search.extensions import MissingExtension, create_missing_extensions

    try:
        create_missing_extensions(connection)
    except MissingExtension as error:
        raise OperationError(str(error)) from error


def _try_lock(cursor: Any) -> bool:
    """Polled, not awaited: a transaction waiting for the lock would block CREATE INDEX CONCURRENTLY."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK_KEY])
    return bool(cursor.fetchone()[0])


def _publish_first_flow() -> None:
    from django.utils import timezone

    from relais.flows.default_flow import publish_first_flow

    publish_first_flow(at=timezone.now())


def _remove_demo_contents() -> None:
    """A demo's database that has become live: its invented clients have numbers that may be somebody's."""
    from relais.demo.models import SampleData

    if SampleData.objects.filter(removed_at=None).exists():
        from django.utils import timezone

        from relais.demo.removal import remove_sample_data

        remove_sample_data(at=timezone.now())


def collect_static_files() -> None:
    """Collect the static files only when one has changed: hashing and compressing them is the slowest step here."""
    root, digest_file = settings.STATIC_ROOT, settings.STATIC_ROOT.with_name("static.made-of")
    digest = _digest_of_sources()
    if digest_file.is_file() and digest_file.read_text() == digest and (root / "staticfiles.json").is_file():
        return
    digest_file.unlink(missing_ok=True)
    root.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    digest_file.write_text(digest)


def _digest_of_sources() -> str:
    """Hash of the contents of all static files and of the code that names them; modification times are not reliable."""
    sources_hash = hashlib.sha256(f"{version('django')} {version('whitenoise')} {version('brotli')}".encode())
    storage_code = [Path(storage.__file__), Path(bundles.__file__)]
    static_paths = (files.path(name) for finder in get_finders() for name, files in finder.list([]))
    for path in [*storage_code, *sorted(map(Path, static_paths))]:
        sources_hash.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return sources_hash.hexdigest()
