"""Commands that run processes: `up`, `web`, `jobs`, `emulator`; and, not listed, `prepare`, `migrate`, `manage`."""

import argparse
import os
from contextlib import nullcontext

from relais.cli.arguments import Subparsers, add_command
from relais.cli.setup import (
    command_context,
    load_environment,
    prepared_database,
    process_logging,
    require_database,
    setup_django,
)
from relais.environment import Environment


def add_commands(commands: Subparsers) -> None:
    add_command(commands, "up", up, "Run everything: database, web server, jobs; in a demo also a phone.")
    web_parser = add_command(commands, "web", web, "Run the web server alone.")
    web_parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    web_parser.add_argument("--after", type=int, help=argparse.SUPPRESS)
    web_parser.add_argument("--unbatched", action="store_true", help=argparse.SUPPRESS)
    jobs_parser = add_command(commands, "jobs", jobs, "Run the jobs and the sender alone.")
    jobs_parser.add_argument("--after", type=int, help=argparse.SUPPRESS)
    emulator_parser = add_command(commands, "emulator", emulator, "Run the Twilio double alone.")
    emulator_parser.add_argument("--port", type=int, required=True)
    add_command(commands, "prepare", prepare, None)
    add_command(commands, "migrate", migrate, None)
    add_command(commands, "manage", manage, None).add_argument("arguments", nargs=argparse.REMAINDER)


def up(options: argparse.Namespace) -> int:
    from relais.ops.supervisor import up

    return up(load_environment())


def web(options: argparse.Namespace) -> int:
    environment = load_environment()
    if options.fd is None:
        return _web_alone(environment)
    with process_logging("web", environment):
        from relais.web_process import preload_modules, serve

        preload_modules()
        _wait_until_prepared(options)
        return serve(environment, options.fd, batch_hooks=not options.unbatched)


def _web_alone(environment: Environment) -> int:
    with prepared_database(environment), process_logging("web", environment):
        from relais.prepare import collect_static_files
        from relais.web_process import serve

        collect_static_files()
        return serve(environment)


def jobs(options: argparse.Namespace) -> int:
    environment = load_environment()
    database = prepared_database(environment) if options.after is None else nullcontext()
    with database, process_logging("jobs", environment):
        import relais.whatsapp.outbound.sender  # noqa: F401 (large: imported while the tables are prepared)
        from relais.jobs import run

        _wait_until_prepared(options)
        run()
        return 0


def _wait_until_prepared(options: argparse.Namespace) -> None:
    """Under the supervisor: it closes its end of the pipe when the tables are prepared."""
    if options.after is not None:
        os.read(options.after, 1)


def prepare(options: argparse.Namespace) -> None:
    require_database(load_environment())
    setup_django()
    from relais.prepare import prepare

    prepare()


def migrate(options: argparse.Namespace) -> None:
    with command_context():
        pass


def emulator(options: argparse.Namespace) -> int | None:
    from relais.emulator.server import run

    return run(options.port)


def manage(options: argparse.Namespace) -> None:
    setup_django()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["relais manage", *options.arguments])
