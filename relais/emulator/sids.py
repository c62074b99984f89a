"""Twilio's identifiers: two letters and 32 hexadecimal digits."""

import secrets


def new_sid(prefix: str) -> str:
    # Never from the seed of the faults: a restarted double must not repeat a SID that the desk has stored.
    return prefix + secrets.token_hex(16)
