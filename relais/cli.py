"""The command `relais`. Each command loads what it needs and calls one verb; errors are one sentence."""

import argparse
import getpass
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, NoReturn
from urllib.parse import urlsplit

from relais.accounts.roles import Role
from relais.environment import ROOT, BadEnvironment, Environment, load
from relais.ops.errors import OperationError
from relais.ops.process import exit_after_parent
from relais.text import has_visible_characters

BAD_USE, FAILURE = 2, 1

MEASUREMENTS: dict[str, tuple[str, dict[str, tuple[int | str, str]]]] = {
    "ingest": (
        "Signed messages through the hook, beside the plain door and beside pgbench.",
        {"seconds": (10, "how long each takes"), "connections": (64, "that write at once")},
    ),
    "push": (
        "From the hook to a thousand screens, beside a bare fan-out.",
        {"seconds": (20, "how long"), "sockets": (1000, "open"), "threads": (500, "looked at")},
    ),
    "send": (
        "The outbox emptied through a double of Twilio.",
        {"messages": (2400, "waiting"), "rate": (80, "messages a second that may leave")},
    ),
    "pages": (
        "The pages agents live in, on a small and on a large database.",
        {
            "conversations": (1_000_000, "in the large one"),
            "events": (20_000_000, "in the large one"),
            "rounds": (30, "of all pages"),
        },
    ),
    "fill": (
        "Make a database of many conversations to look at.",
        {
            "conversations": (1_000_000, "in all"),
            "events": (20_000_000, "in all"),
            "folder": ("", "a new one; else bench/CONVERSATIONS-EVENTS in the data folder"),
        },
    ),
    "flow": ("The engine of flows.", {}),
    "races": (
        "Agents who take the same conversation over at the same instant.",
        {"races": (10_000, "in all"), "rivals": (3, "in each")},
    ),
    "faults": (
        "Messages under kills and faults, counted at the end.",
        {
            "messages": (2000, "in both directions"),
            "seed": (0, "what makes its chances the same again; another each time"),
            "settle": (420, "seconds at most that it may take to come to rest at the end"),
            "keep": (0, "1 keeps the folder to look at"),
        },
    ),
}
"""What each measures, and its options: the default, and what it is."""


class Failed(Exception):
    """One sentence: what is wrong, what to do."""


class BadUse(Exception):
    """One sentence: what the command was not told, or told wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if supervisor := os.environ.get("RELAIS_SUPERVISOR"):
        exit_after_parent(int(supervisor))
    try:
        return int(options.run(options) or 0)
    except (BadEnvironment, BadUse) as error:
        return _complain(error, BAD_USE)
    except (Failed, OperationError) as error:
        return _complain(error, FAILURE)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has read enough, such as `head`. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _complain(error: Exception, code: int) -> int:
    print(error, file=sys.stderr)
    return code


# -- the commands -----------------------------------------------------------------------------------------


def up(options: argparse.Namespace) -> int:
    from relais.ops.supervisor import up

    return up(_environment())


def web(options: argparse.Namespace) -> int:
    environment = _environment()
    if options.fd is None:
        return _web_alone(environment)
    with _journal("web", environment):
        from relais.web_process import preload_modules, serve

        preload_modules()
        _wait_until_prepared(options)
        return serve(environment, options.fd, batch_hooks=not options.unbatched)


def _web_alone(environment: Environment) -> int:
    with _database(environment), _journal("web", environment):
        from relais.prepare import static_files
        from relais.web_process import serve

        static_files()
        return serve(environment)


def jobs(options: argparse.Namespace) -> int:
    environment = _environment()
    alone = _database(environment) if options.after is None else nullcontext()
    with alone, _journal("jobs", environment):
        import relais.whatsapp.outbound.sender  # noqa: F401 (large: loaded while the tables are prepared)
        from relais.jobs import run

        _wait_until_prepared(options)
        run()
        return 0


def _wait_until_prepared(options: argparse.Namespace) -> None:
    """The supervisor has us load while it prepares the tables, and closes its end of the pipe when they are there."""
    if options.after is not None:
        os.read(options.after, 1)


def prepare(options: argparse.Namespace) -> None:
    _reach_database(_environment())
    _django()
    from relais.prepare import prepare

    prepare()


def migrate(options: argparse.Namespace) -> None:
    with _desk():
        pass


def user_create(options: argparse.Namespace) -> None:
    asked = {
        "email": _asked(options.email, "E-mail: ", "--email"),
        "full_name": _asked(options.name, "Name: ", "--name"),
        "role": _role(_asked(options.role, f"Role ({', '.join(Role)}): ", "--role")),
        "password": _asked(options.password, "Password: ", "--password", hidden=True),
    }
    with _desk():
        from django.core.exceptions import ValidationError
        from django.core.validators import validate_email
        from django.db import IntegrityError

        from relais.accounts import audit
        from relais.accounts.models import User

        try:
            validate_email(asked["email"])
        except ValidationError as error:
            raise BadUse(f"“{asked['email']}” is no e-mail address.") from error
        _fits(User, "email", asked["email"], "--email")
        _fits(User, "full_name", asked["full_name"], "--name")
        try:
            user = User.objects.create_user(**asked)
        except IntegrityError as error:
            raise Failed(f"There is a user with the e-mail address {asked['email']} already.") from error
        audit.record("user created", actor=audit.COMMAND, user=user.pk, role=user.role)
        print(f"{user.email} may sign in as {user.role}.")


def token_create(options: argparse.Namespace) -> None:
    name = _asked(options.name, "Name: ", "--name")
    with _desk():
        from django.utils import timezone

        from relais.accounts import audit
        from relais.accounts.models import ApiToken

        _fits(ApiToken, "name", name, "--name")
        days = options.expires_days
        token, plain = ApiToken.create(
            name, expires_at=timezone.now() + timedelta(days=days) if days else None
        )
        audit.record("token created", actor=audit.COMMAND, api_token=token.pk)
        print(plain)
        print("This token is shown only now: keep it where only its user can read it.", file=sys.stderr)


def token_list(options: argparse.Namespace) -> None:
    with _desk():
        from django.utils import timezone

        from relais.accounts.models import ApiToken

        at = timezone.now()
        rows = [
            (
                str(token.pk),
                token.name,
                _day(token.created_at),
                _day(token.last_used_at),
                str(token.state(at=at)),
            )
            for token in ApiToken.objects.order_by("pk")
        ]
    if not rows:
        print("There is no token; relais token create makes one.", file=sys.stderr)
        return
    rows.insert(0, ("number", "name", "created", "last used", "state"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _day(at: datetime | None) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else "never"


def token_revoke(options: argparse.Namespace) -> None:
    with _desk():
        from django.utils import timezone

        from relais.accounts import audit
        from relais.accounts.models import ApiToken

        token = ApiToken.objects.filter(pk=options.number).first()
        if token is None:
            raise Failed(f"There is no token with the number {options.number}; see relais token list.")
        if not token.revoke(at=timezone.now()):
            raise Failed(f"The token {token.pk} ({token.name}) is revoked already.")
        audit.record("token revoked", actor=audit.COMMAND, api_token=token.pk)
        print(f"The token {token.pk} ({token.name}) is revoked.")


def say(options: argparse.Namespace) -> None:
    text = _asked(options.text, "Text: ", "--text")
    with _desk():
        from relais.clients.addresses import InvalidAddress
        from relais.whatsapp.client import TwilioRefused, send_test

        try:
            print(send_test(options.to, text))
        except InvalidAddress as error:
            raise BadUse(str(error)) from error
        except TwilioRefused as refusal:
            raise Failed(str(refusal)) from refusal


def emulator(options: argparse.Namespace) -> int | None:
    from relais.emulator.server import run

    return run(options.port)


def flow_check(options: argparse.Namespace) -> int:
    from relais.flows.check import report

    return report(options.files, as_json=options.json)


def bench(options: argparse.Namespace) -> int:
    """Each measurement is a file of `relais.bench` with `measure(options)` and `told(figures)`; one whose figures
    can be wrong has `failed(figures)`."""
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    measurement = import_module(f"relais.bench.{options.measurement}")
    figures = measurement.measure(options)
    for line in measurement.summary_lines(figures):
        print(line)
    if options.json:
        print(json.dumps(figures))
    return FAILURE if hasattr(measurement, "failed") and measurement.failed(figures) else 0


def doctor(options: argparse.Namespace) -> int:
    from relais.ops.doctor.report import report

    return report(live=options.live, as_json=options.json)


def flow_import(options: argparse.Namespace) -> None:
    sid = _flow_sid(options.sid, "--sid") if options.sid else ""
    subflows = [_sid_and_file(given) for given in options.subflow]
    with _desk():
        from django.utils import timezone

        from relais.flows.import_export import CannotImport, import_file

        try:
            revisions = import_file(
                options.file,
                name=options.name,
                publish=options.publish,
                answers=options.answers,
                zone=options.zone,
                sid=sid,
                subflows=subflows,
                at=timezone.now(),
            )
        except CannotImport as error:
            raise Failed(str(error)) from error
        for revision in revisions:
            state = "published" if revision.published_at else "a draft"
            print(f"{revision.flow.name}: revision {revision.number}, {state}, SID {revision.flow.sid}.")
        for missing in revisions[0].missing_subflows():
            print(
                f"It runs the flow {missing}, which is not published here: it takes “failed” there. "
                f"Import that one with --subflow {missing}=FILE or --sid {missing}, and publish it.",
                file=sys.stderr,
            )


def _sid_and_file(given: str) -> tuple[str, str]:
    sid, equals, file = given.partition("=")
    if not (equals and file):
        raise BadUse(f"--subflow: “{given}” is not of the form SID=FILE.")
    return _flow_sid(sid.strip(), "--subflow"), file


def _flow_sid(given: str, option: str) -> str:
    from relais.flows.sids import is_flow_sid

    if not is_flow_sid(given):
        raise BadUse(f"{option}: “{given}” is no SID of a flow, which is FW and 32 letters or digits.")
    return given


def flow_export(options: argparse.Namespace) -> None:
    from relais.flows.studio_export import CannotExport, for_twilio, is_file_or_library_flow, read

    try:
        text = read(options.source) if is_file_or_library_flow(options.source) else _kept_flow(options.source)
        if options.for_twilio:
            environment = _environment()
            host = options.host or _seen_from_outside(environment)
            secret = options.secret or environment.studio_webhook_secret
            text = for_twilio(text, host=host, secret=secret, subflow=options.subflow)
    except CannotExport as error:
        raise Failed(str(error)) from error
    print(text.rstrip("\n"))


def _seen_from_outside(environment: Environment) -> str:
    """Empty when the public address was never said: Twilio reaches no loopback."""
    from relais.environment import LOOPBACK

    is_ours_alone = urlsplit(environment.public_base_url).hostname in LOOPBACK
    return "" if is_ours_alone else environment.public_base_url


def _kept_flow(name: str) -> str:
    with _desk():
        from relais.flows.import_export import published_text

        text = published_text(name)
    if text is None:
        raise Failed(
            f"There is no file {name}, and no published flow of that name, here or among those that come with Relais."
        )
    return text


def flow_play(options: argparse.Namespace) -> int:
    from relais.flows.play import InvalidOption, play

    try:
        return play(
            options.file,
            say=options.say,
            sender=options.sender,
            profile_name=options.profile_name,
            http=options.http,
            subflows=options.subflow,
            now=options.now,
            zone=options.zone,
            request=options.request,
            as_json=options.json,
        )
    except InvalidOption as error:
        raise BadUse(str(error)) from error


def manage(options: argparse.Namespace) -> None:
    _django()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["relais manage", *options.arguments])


# -- what they share --------------------------------------------------------------------------------------


def _environment() -> Environment:
    return load(ROOT, os.environ)


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")
    import django

    django.setup()


@contextmanager
def _journal(kind: str, environment: Environment) -> Iterator[None]:
    """What this process does from here on is told in lines, its end included."""
    _django()
    from relais.ops import log_handler

    log_handler.configure_logging(kind, environment.data_dir / "log")
    log_handler.log.info("process started")
    try:
        yield
    finally:
        log_handler.log.info("process stopped")


@contextmanager
def _database(environment: Environment) -> Iterator[None]:
    """The running database, or one for as long as the command takes; its tables are there."""
    from relais.ops.database import running_database

    with running_database(environment.data_dir) if environment.embedded_database else nullcontext():
        _reach_database(environment)
        _django()
        from relais.prepare import tables

        tables()
        yield


def _reach_database(environment: Environment) -> None:
    """Asked before Django, whose pool would try for seconds and say so at length."""
    import psycopg

    try:
        psycopg.connect(environment.database_url, connect_timeout=5).close()
    except psycopg.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Failed(f"The database cannot be reached; see DATABASE_URL. It said: {said[0]}") from error


@contextmanager
def _desk() -> Iterator[None]:
    environment = _environment()
    with _database(environment):
        from relais.ops.log_handler import configure_audit_log

        configure_audit_log(environment.data_dir / "log")
        yield


def _asked(given: str | None, question: str, option: str, *, hidden: bool = False) -> str:
    if given is None and sys.stdin.isatty():
        given = getpass.getpass(question) if hidden else input(question)
    if given is None or not (given.strip() if hidden else has_visible_characters(given)):
        raise BadUse(f"{option} is missing.")
    if any("\ud800" <= letter <= "\udfff" for letter in given):
        raise BadUse(f"{option} is not written in UTF-8: see the locale of this terminal.")
    return given if hidden else given.strip()


def _fits(model: Any, column: str, given: str, option: str) -> None:
    most = model._meta.get_field(column).max_length
    if len(given) > most:
        raise BadUse(f"{option} is longer than {most} characters.")


def _role(given: str) -> str:
    *others, last = Role
    if given not in set(Role):
        raise BadUse(f"“{given}” is no role: it must be {', '.join(others)} or {last}.")
    return given


# -- how they are called ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would go on to list commands that are for Relais itself.
        said = message.partition(" (choose from")[0]
        self.exit(BAD_USE, f"{self.prog}: {said}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="relais", description="Where a WhatsApp bot hands a conversation to a human and back."
    )
    shown = "{up,web,jobs,user,token,say,flow,doctor,bench,emulator}"
    commands = parser.add_subparsers(metavar=shown, required=True, parser_class=_Parser)

    def command(
        name: str, run: object, text: str | None, within: object = commands
    ) -> argparse.ArgumentParser:
        # A command without a text is not listed: it is for Relais itself.
        made = within.add_parser(name, **({"help": text, "description": text} if text else {}))  # type: ignore[attr-defined]
        made.set_defaults(run=run)
        return made  # type: ignore[no-any-return]

    command("up", up, "Run everything: database, web server, jobs; in a demo also a phone.")
    supervised = command("web", web, "Run the web server alone.")
    supervised.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    supervised.add_argument("--after", type=int, help=argparse.SUPPRESS)
    supervised.add_argument("--unbatched", action="store_true", help=argparse.SUPPRESS)
    supervised = command("jobs", jobs, "Run the jobs and the sender alone.")
    supervised.add_argument("--after", type=int, help=argparse.SUPPRESS)

    users = commands.add_parser("user", help="People who work here.").add_subparsers(
        metavar="create", required=True
    )
    create = command("create", user_create, "Make a user; asks for what is missing.", users)
    create.add_argument("--email")
    create.add_argument("--name")
    create.add_argument("--role", help=" | ".join(Role))
    create.add_argument("--password")

    tokens = commands.add_parser("token", help="Tokens for programs.").add_subparsers(
        metavar="{create,list,revoke}", required=True, parser_class=_Parser
    )
    create = command("create", token_create, "Make a token for programs and show it once.", tokens)
    create.add_argument("--name")
    create.add_argument(
        "--expires-days", type=_number, metavar="N", help="good for that many days; else for ever"
    )
    command("list", token_list, "List the tokens, without what opens the door.", tokens)
    revoke = command("revoke", token_revoke, "Make a token useless at once.", tokens)
    revoke.add_argument("number", type=_number, metavar="NUMBER", help="as relais token list shows it")

    test = command("say", say, "Send a test message and print its SID.")
    test.add_argument("--to", required=True, help="a number with its country code, such as +212600000001")
    test.add_argument("--text", required=True)

    double = command("emulator", emulator, "Run the Twilio double alone.")
    double.add_argument("--port", type=int, required=True)

    flows = commands.add_parser("flow", help="The bot's flows.").add_subparsers(
        metavar="{check,play,import,export}", required=True, parser_class=_Parser
    )
    checked = command("check", flow_check, "Say everything that is wrong with flows.", flows)
    checked.add_argument("files", metavar="FILE", nargs="+")
    checked.add_argument("--json", action="store_true", help="as a JSON list")
    _options_of_play(command("play", flow_play, "Run a flow in the terminal; you are the client.", flows))

    imported = command("import", flow_import, "Keep a flow here, as a new revision.", flows)
    imported.add_argument("file", metavar="FILE")
    imported.add_argument("--name", default="", help="the flow's name; else the file's")
    imported.add_argument("--zone", default="", help="in which its templates tell the time; else ours")
    imported.add_argument(
        "--sid", default="", metavar="FW…", help="the flow's SID at Twilio, by which its parents find it"
    )
    imported.add_argument(
        "--subflow",
        metavar="SID=FILE",
        action="append",
        default=[],
        help="a flow that it runs, kept with that SID",
    )
    imported.add_argument("--publish", action="store_true", help="from the next conversation on")
    imported.add_argument("--answers", action="store_true", help="publish it, and let it answer the clients")
    exported = command(
        "export", flow_export, "Print a flow: a file's, one that comes with Relais, or one kept here.", flows
    )
    exported.add_argument("source", metavar="NAME|FILE")
    exported.add_argument(
        "--for-twilio", action="store_true", help="fill in our address, the secret, the sub-flow"
    )
    exported.add_argument("--host", default="", help="where Twilio reaches Relais; else PUBLIC_BASE_URL")
    exported.add_argument("--secret", default="", help="else STUDIO_WEBHOOK_SECRET")
    exported.add_argument("--subflow", metavar="SID", default="", help="the flow to run below, FW…")

    checkup = command("doctor", doctor, "Try everything that a working desk needs.")
    checkup.add_argument("--live", action="store_true", help="also what only Twilio can tell")
    checkup.add_argument("--json", action="store_true")
    _measurements(commands.add_parser("bench", help="Measure, on a database of its own."))

    command("prepare", prepare, None)
    command("migrate", migrate, None)
    command("manage", manage, None).add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _options_of_play(play: argparse.ArgumentParser) -> None:
    play.epilog = (
        "Each line is a message; the first starts the flow. “@URL text” is one with that media, "
        "“+SECONDS” lets that time pass."
    )
    play.add_argument("file", metavar="FILE")
    play.add_argument("--say", metavar="TEXT", action="append", help="a line; else standard input is read")
    play.add_argument("--from", metavar="ADDRESS", dest="sender", help="the client's address")
    play.add_argument("--profile-name", metavar="NAME", help="the client's name on WhatsApp")
    play.add_argument("--http", metavar="FILE", help="JSON: what each HTTP or function widget is answered")
    play.add_argument("--subflow", metavar="SID=FILE", action="append", default=[], help="a sub-flow")
    play.add_argument("--now", metavar="ISO", help="the time at the start, such as 2025-06-15T09:30Z")
    play.add_argument(
        "--zone", metavar="NAME", help="the zone of the flow's times, such as Africa/Casablanca"
    )
    play.add_argument("--request", metavar="JSON", help="start by a REST request with these parameters")
    play.add_argument("--json", action="store_true", help="one JSON object a line")


def _measurements(benches: argparse.ArgumentParser) -> None:
    named = benches.add_subparsers(metavar="|".join(MEASUREMENTS), required=True, parser_class=_Parser)
    for name, (text, options) in MEASUREMENTS.items():
        one = named.add_parser(name, help=text, description=text)
        one.set_defaults(run=bench, measurement=name)
        one.add_argument("--json", action="store_true", help="one object on the last line")
        for option, (default, means) in options.items():
            if isinstance(default, int):
                one.add_argument(f"--{option}", type=_number, default=default, help=f"{means}; {default:,}")
            else:
                one.add_argument(f"--{option}", default=default, help=means)


def _number(given: str) -> int:
    if not given.isascii() or not given.isdigit() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"“{given}” is no number above 0")
    return int(given)
