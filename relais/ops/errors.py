"""What is said when something cannot be done here: one sentence with the reason and what to do."""


class Refused(Exception):
    """Commands print it and end with exit code 1."""
