"""The errors of commands, each one sentence, and their exit codes."""

FAILURE, USAGE_ERROR = 1, 2


class CommandFailed(Exception):
    """What is wrong and what to do. The command ends with exit code 1."""


class UsageError(Exception):
    """Which argument is missing or wrong. The command ends with exit code 2."""
