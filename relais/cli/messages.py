"""`relais say`: send a test message."""

import argparse

from relais.cli.arguments import Subparsers, add_command, require_value
from relais.cli.errors import CommandFailed, UsageError
from relais.cli.setup import command_context


def add_commands(commands: Subparsers) -> None:
    say = add_command(commands, "say", send_test_message, "Send a test message and print its SID.")
    say.add_argument("--to", required=True, help="a number with its country code, such as +212600000001")
    say.add_argument("--text", required=True)


def send_test_message(options: argparse.Namespace) -> None:
    text = require_value(options.text, "Text: ", "--text")
    with command_context():
        from relais.clients.addresses import InvalidAddress
        from relais.whatsapp.client import TwilioRefused, send_test

        try:
            print(send_test(options.to, text))
        except InvalidAddress as error:
            raise UsageError(str(error)) from error
        except TwilioRefused as refusal:
            raise CommandFailed(str(refusal)) from refusal
