"""The error of an operation that cannot be done on this machine: one sentence with the reason and the remedy."""


class OperationError(Exception):
    """Commands print it and end with exit code 1."""
