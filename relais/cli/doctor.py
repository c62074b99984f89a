"""`relais doctor`."""

import argparse

from relais.cli.arguments import Subparsers, add_command


def add_commands(commands: Subparsers) -> None:
    parser = add_command(commands, "doctor", doctor, "Check everything that a running desk needs.")
    parser.add_argument("--live", action="store_true", help="also ask Twilio")
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def doctor(options: argparse.Namespace) -> int:
    from relais.ops.doctor.report import report

    return report(live=options.live, as_json=options.json)
