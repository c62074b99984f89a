"""The command `relais`. One file per group of commands; a command imports what it needs when it runs.

It holds no rules: each command calls one function of a room, and an error is one sentence and an exit code.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from relais.cli import bench, demo, doctor, flows, messages, processes, tokens, users
from relais.cli.arguments import Parser
from relais.cli.errors import FAILURE, USAGE_ERROR, CommandFailed, UsageError
from relais.environment import InvalidEnvironment
from relais.ops.errors import OperationError
from relais.ops.process import exit_after_parent

INTERRUPTED = 130
LISTED_COMMANDS = "{up,web,jobs,user,token,say,flow,doctor,bench,demo,emulator}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    if supervisor := os.environ.get("RELAIS_SUPERVISOR"):
        exit_after_parent(int(supervisor))
    try:
        return int(options.run(options) or 0)
    except (InvalidEnvironment, UsageError) as error:
        return _print_error(error, USAGE_ERROR)
    except (CommandFailed, OperationError) as error:
        return _print_error(error, FAILURE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Discard what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _print_error(error: Exception, code: int) -> int:
    print(error, file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="relais", description="A desk where a WhatsApp bot hands conversations over to agents, and back."
    )
    commands = parser.add_subparsers(metavar=LISTED_COMMANDS, required=True, parser_class=Parser)
    processes.add_commands(commands)
    users.add_commands(commands)
    tokens.add_commands(commands)
    messages.add_commands(commands)
    flows.add_commands(commands)
    doctor.add_commands(commands)
    bench.add_commands(commands)
    demo.add_commands(commands)
    return parser
