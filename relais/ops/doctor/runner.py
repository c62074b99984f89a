"""Runs all checks in order, each with a timeout: a check that hangs becomes a failed result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg

from relais.ops.doctor import (
    account,
    assumptions,
    clock,
    database,
    disk,
    migrations,
    virus_scanner,
    webhooks,
    workers,
)
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, failed, unverified

Check = Callable[[DoctorContext], Iterator[CheckResult]]

CHECK_TIMEOUT_SECONDS = 10.0
TOTAL_TIMEOUT_SECONDS = 60.0
CHECKS: dict[str, Check] = {
    "database": database.check_database,
    "migrations": migrations.check_migrations,
    "jobs": workers.check_jobs,
    "sender": workers.check_sender,
    "message_log": workers.check_message_log,
    "templates": workers.check_templates,
    "clock": clock.check_clock,
    "disk": disk.check_space,
    "data_folder": disk.check_permissions,
    "virus_scanner": virus_scanner.check_scanner,
    "public_address": webhooks.check_public_address,
    "credentials": account.check_credentials,
    "sender_number": account.check_sender_number,
    "hooks": account.check_webhooks,
    "assumptions": assumptions.check_assumptions,
}


def run_checks(context: DoctorContext, checks: dict[str, Check] = CHECKS) -> Iterator[CheckResult]:
    deadline = time.monotonic() + TOTAL_TIMEOUT_SECONDS
    for name, check in checks.items():
        for result in _run_with_timeout(
            min(CHECK_TIMEOUT_SECONDS, deadline - time.monotonic()), check, context
        ):
            yield replace(
                result,
                name=result.name or name,
                sentence=context.without_secrets(result.sentence),
                advice=context.without_secrets(result.advice),
            )


def _run_with_timeout(seconds: float, check: Check, context: DoctorContext) -> list[CheckResult]:
    """In a daemon thread: a frozen server or a DNS lookup has no timeout of its own."""
    results: list[CheckResult] = []

    def work() -> None:
        try:
            results.extend(check(context))
        except psycopg.errors.UndefinedTable:
            results.append(
                unverified("Not checked: the tables are not there.", "See the line on migrations.")
            )
        except psycopg.Error:
            results.append(
                unverified("Not checked: the database did not answer.", "See the line on the database.")
            )
        except Exception as error:  # A check that raises must not hide the others.
            error_text = context.without_secrets(f"{type(error).__name__}: {error}", min_characters=1)
            results.append(failed(f"It could not be checked ({error_text}).", "Tell the authors of Relais."))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if not thread.is_alive():
        return results
    return [
        *results,
        failed(f"No answer within {max(0, seconds):.0f} s.", "See network and firewall, then try again."),
    ]
