"""All looks in order, each with a bound on its time: one that hangs is a finding too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg

from relais.ops.doctor import account, assumptions, clock, database, disk, migrations, webhooks, workers
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, failed, unverified

Look = Callable[[Patient], Iterator[Finding]]

PATIENCE = 10.0
IN_ALL = 60.0
"""Seconds."""
LOOKS: dict[str, Look] = {
    "database": database.look,
    "migrations": migrations.look,
    "jobs": workers.look_at_jobs,
    "sender": workers.look_at_sender,
    "message_log": workers.look_at_message_log,
    "clock": clock.look,
    "disk": disk.look,
    "data_folder": disk.look_at_modes,
    "public_address": webhooks.look,
    "credentials": account.look_at_credentials,
    "sender_number": account.look_at_sender_number,
    "hooks": account.look_at_hooks,
    "assumptions": assumptions.look,
}


def examine(patient: Patient, looks: dict[str, Look] = LOOKS) -> Iterator[Finding]:
    end = time.monotonic() + IN_ALL
    for name, look in looks.items():
        for found in _within(min(PATIENCE, end - time.monotonic()), look, patient):
            yield replace(
                found,
                name=found.name or name,
                sentence=patient.without_secrets(found.sentence),
                advice=patient.without_secrets(found.advice),
            )


def _within(seconds: float, look: Look, patient: Patient) -> list[Finding]:
    """In a thread that nobody waits for in the end: a frozen server or a name's look-up knows no time-out."""
    told: list[Finding] = []

    def work() -> None:
        try:
            told.extend(look(patient))
        except psycopg.errors.UndefinedTable:
            told.append(unverified("Not looked at: the tables are not there.", "See the line on migrations."))
        except psycopg.Error:
            told.append(
                unverified("Not looked at: the database did not answer.", "See the line on the database.")
            )
        except Exception as error:  # A look that fails must not hide the others.
            said = patient.without_secrets(f"{type(error).__name__}: {error}", shortest=1)
            told.append(failed(f"It could not be looked at ({said}).", "Tell the authors of Relais."))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if not thread.is_alive():
        return told
    return [
        *told,
        failed(f"No answer within {max(0, seconds):.0f} s.", "See network and firewall, then try again."),
    ]
