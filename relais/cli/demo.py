"""`relais demo`."""

import argparse
import sys

from relais.cli.arguments import Subparsers, add_command, add_group
from relais.cli.errors import CommandFailed
from relais.cli.setup import command_context, load_environment


def add_commands(commands: Subparsers) -> None:
    demo = add_group(commands, "demo", "The sample conversations of a demo.", "{clear}")
    clear = add_command(demo, "clear", clear_demo, "Remove the sample conversations, and nothing else.")
    clear.add_argument("--yes", action="store_true", help="do not ask")


def clear_demo(options: argparse.Namespace) -> None:
    if not load_environment().demo:
        raise CommandFailed("This Relais is not a demo: there is nothing to remove.")
    if not options.yes and not _is_confirmed():
        raise CommandFailed("Nothing was removed. To remove them without being asked, add --yes.")
    with command_context():
        from django.utils import timezone

        from relais.accounts import audit
        from relais.demo.removal import remove_sample_data

        removed = remove_sample_data(at=timezone.now())
        audit.record("demo emptied", actor=audit.COMMAND_ACTOR, count=removed.conversations)
    print(f"Removed {removed.conversations} sample conversations and {removed.clients} clients.")


def _is_confirmed() -> bool:
    question = "Remove the sample conversations, with everything that was added to them? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "o", "oui")
