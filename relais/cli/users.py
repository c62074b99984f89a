"""`relais user`."""

import argparse
from typing import Any

from relais.accounts.roles import Role
from relais.cli.arguments import (
    Subparsers,
    add_command,
    add_group,
    require_length,
    require_value,
    whole_number,
)
from relais.cli.errors import CommandFailed, UsageError
from relais.cli.setup import command_context


def add_commands(commands: Subparsers) -> None:
    users = add_group(commands, "user", "People who work here.", "create")
    create = add_command(users, "create", create_user, "Create a user; asks for what is missing.")
    create.add_argument("--email")
    create.add_argument("--name")
    create.add_argument("--role", help=" | ".join(Role))
    create.add_argument("--password")
    create.add_argument(
        "--capacity", type=whole_number, metavar="N", help="how many clients routing gives at most; else 5"
    )


def create_user(options: argparse.Namespace) -> None:
    fields: dict[str, Any] = {
        "email": require_value(options.email, "E-mail: ", "--email"),
        "full_name": require_value(options.name, "Name: ", "--name"),
        "role": _role(require_value(options.role, f"Role ({', '.join(Role)}): ", "--role")),
        "password": require_value(options.password, "Password: ", "--password", hidden=True),
    }
    with command_context():
        from django.core.exceptions import ValidationError
        from django.core.validators import validate_email
        from django.db import IntegrityError

        from relais.accounts import audit
        from relais.accounts.models import MAX_CAPACITY, User

        try:
            validate_email(fields["email"])
        except ValidationError as error:
            raise UsageError(f"“{fields['email']}” is no e-mail address.") from error
        if options.capacity is not None:
            if options.capacity > MAX_CAPACITY:
                raise UsageError(f"--capacity is at most {MAX_CAPACITY}.")
            fields["capacity"] = options.capacity
        require_length(User, "email", fields["email"], "--email")
        require_length(User, "full_name", fields["full_name"], "--name")
        try:
            user = User.objects.create_user(**fields)
        except IntegrityError as error:
            raise CommandFailed(
                f"There is a user with the e-mail address {fields['email']} already."
            ) from error
        audit.record("user created", actor=audit.COMMAND_ACTOR, user=user.pk, role=user.role)
        print(f"{user.email} may sign in as {user.role}.")


def _role(value: str) -> str:
    if value not in list(Role):
        *roles, last = Role
        raise UsageError(f"“{value}” is no role: it must be {', '.join(roles)} or {last}.")
    return value
