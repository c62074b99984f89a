"""What commands need before they run: environment, Django, the database with its tables, logging."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from relais.cli.errors import CommandFailed
from relais.environment import ROOT, Environment, load

CONNECT_TIMEOUT_SECONDS = 5


def load_environment() -> Environment:
    return load(ROOT, os.environ)


def setup_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")
    import django

    django.setup()


@contextmanager
def process_logging(kind: str, environment: Environment) -> Iterator[None]:
    """Log what this process does, its start and its end included."""
    setup_django()
    from relais.ops import log_handler

    log_handler.configure_logging(kind, environment.data_dir / "log")
    log_handler.log.info("process started")
    try:
        yield
    finally:
        log_handler.log.info("process stopped")


@contextmanager
def prepared_database(environment: Environment) -> Iterator[None]:
    """Join the running database or start it for this block, and create or migrate its tables."""
    from relais.ops.database import running_database

    with running_database(environment.data_dir) if environment.embedded_database else nullcontext():
        require_database(environment)
        setup_django()
        from relais.prepare import prepare_database

        prepare_database()
        yield


def require_database(environment: Environment) -> None:
    """Connect before Django does, whose pool would retry for seconds and log each attempt."""
    import psycopg

    try:
        psycopg.connect(environment.database_url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CommandFailed(
            f"The database cannot be reached; see DATABASE_URL. It said: {lines[0]}"
        ) from error


@contextmanager
def command_context() -> Iterator[None]:
    """For a command that reads or changes records: the database, Django and the audit log."""
    environment = load_environment()
    with prepared_database(environment):
        from relais.ops.log_handler import configure_audit_log

        configure_audit_log(environment.data_dir / "log")
        yield
