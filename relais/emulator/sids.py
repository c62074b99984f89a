"""Twilio's identifiers: two letters and 32 hexadecimal digits."""

import secrets


def new_sid(prefix: str) -> str:
    # Never from the seed of the faults: a double started again must not repeat a SID the desk has stored.
    return prefix + secrets.token_hex(16)
