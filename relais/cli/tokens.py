"""`relais token`."""

import argparse
import sys
from datetime import datetime, timedelta

from relais.cli.arguments import (
    Subparsers,
    add_command,
    add_group,
    positive_number,
    require_length,
    require_value,
)
from relais.cli.errors import CommandFailed
from relais.cli.setup import command_context


def add_commands(commands: Subparsers) -> None:
    tokens = add_group(commands, "token", "Tokens for programs.", "{create,list,revoke}")
    create = add_command(tokens, "create", create_token, "Create a token for programs and show it once.")
    create.add_argument("--name")
    create.add_argument(
        "--expires-days", type=positive_number, metavar="N", help="days it is valid; else it never expires"
    )
    add_command(tokens, "list", list_tokens, "List the tokens, without their secrets.")
    revoke = add_command(tokens, "revoke", revoke_token, "Revoke a token at once.")
    revoke.add_argument(
        "number", type=positive_number, metavar="NUMBER", help="as relais token list shows it"
    )


def create_token(options: argparse.Namespace) -> None:
    name = require_value(options.name, "Name: ", "--name")
    with command_context():
        from django.utils import timezone

        from relais.accounts import audit
        from relais.accounts.models import ApiToken

        require_length(ApiToken, "name", name, "--name")
        days = options.expires_days
        token, plain = ApiToken.create(
            name, expires_at=timezone.now() + timedelta(days=days) if days else None
        )
        audit.record("token created", actor=audit.COMMAND_ACTOR, api_token=token.pk)
        print(plain)
        print("This token is shown only now: keep it where only its user can read it.", file=sys.stderr)


def list_tokens(options: argparse.Namespace) -> None:
    with command_context():
        from django.utils import timezone

        from relais.accounts.models import ApiToken

        at = timezone.now()
        rows = [
            (
                str(token.pk),
                token.name,
                _minute(token.created_at),
                _minute(token.last_used_at),
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


def _minute(at: datetime | None) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else "never"


def revoke_token(options: argparse.Namespace) -> None:
    with command_context():
        from django.utils import timezone

        from relais.accounts import audit
        from relais.accounts.models import ApiToken

        token = ApiToken.objects.filter(pk=options.number).first()
        if token is None:
            raise CommandFailed(f"There is no token with the number {options.number}; see relais token list.")
        if not token.revoke(at=timezone.now()):
            raise CommandFailed(f"The token {token.pk} ({token.name}) is revoked already.")
        audit.record("token revoked", actor=audit.COMMAND_ACTOR, api_token=token.pk)
        print(f"The token {token.pk} ({token.name}) is revoked.")
