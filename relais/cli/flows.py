"""`relais flow`: check, play, import and export flows."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from relais.cli.arguments import Subparsers, add_command, add_group
from relais.cli.errors import FAILURE, CommandFailed, UsageError
from relais.cli.setup import command_context, load_environment
from relais.environment import LOOPBACK_HOSTS, Environment

if TYPE_CHECKING:
    from relais.flows.engine.flow import Problem


def add_commands(commands: Subparsers) -> None:
    flows = add_group(commands, "flow", "The bot's flows.", "{check,play,import,export}")
    check = add_command(flows, "check", check_flows, "Report every error in flow files.")
    check.add_argument("files", metavar="FILE", nargs="+")
    check.add_argument("--json", action="store_true", help="as a JSON list")
    _add_play(flows)
    _add_import(flows)
    _add_export(flows)


def _add_play(flows: Subparsers) -> None:
    play = add_command(flows, "play", play_flow, "Run a flow in the terminal; you are the client.")
    play.epilog = (
        "Each line is a message; the first starts the flow. “@URL text” is one with that media, "
        "“+SECONDS” lets that time pass."
    )
    play.add_argument("file", metavar="FILE")
    play.add_argument("--say", metavar="TEXT", action="append", help="a line; else standard input is read")
    play.add_argument("--from", metavar="ADDRESS", dest="sender", help="the client's address")
    play.add_argument("--profile-name", metavar="NAME", help="the client's name on WhatsApp")
    play.add_argument(
        "--http", metavar="FILE", help="JSON with the responses to each HTTP or function widget"
    )
    play.add_argument("--subflow", metavar="SID=FILE", action="append", default=[], help="a sub-flow")
    play.add_argument("--now", metavar="ISO", help="the time at the start, such as 2025-06-15T09:30Z")
    play.add_argument("--zone", metavar="NAME", help="the time zone of the flow, such as Africa/Casablanca")
    play.add_argument("--request", metavar="JSON", help="start by a REST request with these parameters")
    play.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_import(flows: Subparsers) -> None:
    parser = add_command(flows, "import", import_flow, "Import a flow as a new revision.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--name", default="", help="the flow's name; else the file's")
    parser.add_argument("--zone", default="", help="the time zone of its templates; else RELAIS_TIME_ZONE")
    parser.add_argument(
        "--sid", default="", metavar="FW…", help="the flow's SID at Twilio, by which other flows run it"
    )
    parser.add_argument(
        "--subflow",
        metavar="SID=FILE",
        action="append",
        default=[],
        help="a flow that it runs, imported with that SID",
    )
    parser.add_argument("--publish", action="store_true", help="publish it for new conversations")
    parser.add_argument("--answers", action="store_true", help="publish it, and let it answer clients")


def _add_export(flows: Subparsers) -> None:
    parser = add_command(
        flows,
        "export",
        export_flow,
        "Print a flow: a file's, one that comes with Relais, or an imported one.",
    )
    parser.add_argument("source", metavar="NAME|FILE")
    parser.add_argument(
        "--for-twilio", action="store_true", help="fill in our address, the secret, the sub-flow"
    )
    parser.add_argument("--host", default="", help="where Twilio reaches Relais; else PUBLIC_BASE_URL")
    parser.add_argument("--secret", default="", help="else STUDIO_WEBHOOK_SECRET")
    parser.add_argument("--subflow", metavar="SID", default="", help="the SID of the sub-flow, FW…")


def check_flows(options: argparse.Namespace) -> int:
    """Print the problems of the files; 1 if one of them has an error."""
    from relais.flows.check import examine_file

    reports = [(file, examine_file(Path(file))) for file in options.files]
    problems_by_file = [(file, problem) for file, report in reports for problem in report.problems]
    if options.json:
        lines = ",\n".join(
            json.dumps(_problem_as_json(file, problem), ensure_ascii=False)
            for file, problem in problems_by_file
        )
        print(f"[\n{lines}\n]" if lines else "[]")
    else:
        for file, report in reports:
            for problem in report.problems:
                print(f"{file}: {problem.level}: {problem}")
            for verdict in report.verdicts:
                print(f"{file}: {verdict}")
        print(_summary([problem for _, problem in problems_by_file]))
    return FAILURE if any(problem.level == "error" for _, problem in problems_by_file) else 0


def _problem_as_json(file: str, problem: Problem) -> dict[str, str]:
    return {
        "file": file,
        "level": problem.level,
        "code": problem.code,
        "state": problem.state,
        "path": problem.path,
        "message": problem.message,
    }


def _summary(problems: list[Problem]) -> str:
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}." if problems else "No problems."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def play_flow(options: argparse.Namespace) -> int:
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
        raise UsageError(str(error)) from error


def import_flow(options: argparse.Namespace) -> None:
    sid = _flow_sid(options.sid, "--sid") if options.sid else ""
    subflows = [_sid_and_file(value) for value in options.subflow]
    with command_context():
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
            raise CommandFailed(str(error)) from error
        for revision in revisions:
            state = "published" if revision.published_at else "a draft"
            print(f"{revision.flow.name}: revision {revision.number}, {state}, SID {revision.flow.sid}.")
        for missing in revisions[0].missing_subflows():
            print(
                f"It runs the flow {missing}, which is not published here: it takes “failed” there. "
                f"Import that one with --subflow {missing}=FILE or --sid {missing}, and publish it.",
                file=sys.stderr,
            )


def _sid_and_file(value: str) -> tuple[str, str]:
    sid, equals, file = value.partition("=")
    if not (equals and file):
        raise UsageError(f"--subflow: “{value}” is not of the form SID=FILE.")
    return _flow_sid(sid.strip(), "--subflow"), file


def _flow_sid(value: str, option: str) -> str:
    from relais.flows.sids import is_flow_sid

    if not is_flow_sid(value):
        raise UsageError(f"{option}: “{value}” is no SID of a flow, which is FW and 32 letters or digits.")
    return value


def export_flow(options: argparse.Namespace) -> None:
    from relais.flows.studio_export import CannotExport, for_twilio, is_file_or_library_flow, read

    try:
        if is_file_or_library_flow(options.source):
            text = read(options.source)
        else:
            text = _published_flow(options.source)
        if options.for_twilio:
            environment = load_environment()
            host = options.host or _public_address(environment)
            secret = options.secret or environment.studio_webhook_secret
            text = for_twilio(text, host=host, secret=secret, subflow=options.subflow)
    except CannotExport as error:
        raise CommandFailed(str(error)) from error
    print(text.rstrip("\n"))


def _public_address(environment: Environment) -> str:
    """Empty when PUBLIC_BASE_URL is not set: Twilio cannot reach a loopback address."""
    is_loopback = urlsplit(environment.public_base_url).hostname in LOOPBACK_HOSTS
    return "" if is_loopback else environment.public_base_url


def _published_flow(name: str) -> str:
    with command_context():
        from relais.flows.import_export import published_text

        text = published_text(name)
    if text is None:
        raise CommandFailed(
            f"There is no file {name}, and no published flow of that name, here or among those that come with Relais."
        )
    return text
