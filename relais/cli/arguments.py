"""Parsing of arguments: the parser, number arguments, and prompts for what is missing."""

import argparse
import getpass
import sys
from typing import Any, NoReturn, TypeAlias

from relais.cli.errors import USAGE_ERROR, UsageError
from relais.text import has_visible_characters


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse goes on to list every command, those for internal use included.
        sentence = message.partition(" (choose from")[0]
        self.exit(USAGE_ERROR, f"{self.prog}: {sentence}. See {self.prog} --help.\n")


Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_command(
    commands: Subparsers, name: str, run: object, help_text: str | None
) -> argparse.ArgumentParser:
    """A command without a help text is not listed: it is for internal use."""
    texts: dict[str, Any] = {"help": help_text, "description": help_text} if help_text else {}
    parser = commands.add_parser(name, **texts)
    parser.set_defaults(run=run)
    return parser


def add_group(commands: Subparsers, name: str, help_text: str, metavar: str) -> Subparsers:
    group = commands.add_parser(name, help=help_text)
    return group.add_subparsers(metavar=metavar, required=True, parser_class=Parser)


def positive_number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"“{value}” is no number above 0")
    return int(value)


def whole_number(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise argparse.ArgumentTypeError(f"“{value}” is no whole number")
    return int(value)


def require_value(value: str | None, prompt: str, option: str, *, hidden: bool = False) -> str:
    """The value of an option; prompt for a missing one at a terminal."""
    if value is None and sys.stdin.isatty():
        value = getpass.getpass(prompt) if hidden else input(prompt)
    if value is None or not (value.strip() if hidden else has_visible_characters(value)):
        raise UsageError(f"{option} is missing.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(f"{option} is not written in UTF-8: see the locale of this terminal.")
    return value if hidden else value.strip()


def require_length(model: Any, column: str, value: str, option: str) -> None:
    max_length = model._meta.get_field(column).max_length
    if len(value) > max_length:
        raise UsageError(f"{option} is longer than {max_length} characters.")
