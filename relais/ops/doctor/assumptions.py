"""The assumptions about Twilio: tested where reading its log is enough, otherwise reported as unverified."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise

from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, ok, unverified, warning
from relais.whatsapp import assumptions, client
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES

MAX_LOG_MESSAGES = 100
ORDER_TOLERANCE = timedelta(seconds=60)
"""Messages sent concurrently need no order."""
OTHER_STATUSES = {"delivered", "read", "received", "receiving", "partially_delivered"}


def check_assumptions(context: DoctorContext) -> Iterator[CheckResult]:
    if not context.live:
        return
    log, why = _read_log()
    for name, sentence in documented_assumptions().items():
        test = TESTS.get(name)
        result = test(log) if test and log else unverified(f"{sentence} {why}" if test else sentence)
        yield replace(result, name="assumption", sentence=f"{name}: {result.sentence}")


def _read_log() -> tuple[list[client.TwilioMessage], str]:
    """The newest messages in Twilio's log, or why there is none to test."""
    try:
        messages = list(
            islice(
                client.list_messages(
                    page_size=MAX_LOG_MESSAGES, retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS
                ),
                MAX_LOG_MESSAGES,
            )
        )
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused) as error:
        return [], f"Twilio's log cannot be read: {error}"
    return messages, "" if messages else "Twilio's log is empty."


def documented_assumptions() -> dict[str, str]:
    """The name and the docstring of each assumption in `relais.whatsapp.assumptions`."""
    documented, name = {}, ""
    for node in ast.parse(inspect.getsource(assumptions)).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            documented[name] = " ".join(str(node.value.value).split())
        name = _assigned_name(node)
        if name:
            documented[name] = ""
    return documented


def _assigned_name(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""


def _test_statuses(messages: list[client.TwilioMessage]) -> CheckResult:
    """Whether the log holds statuses that Relais does not handle."""
    unknown = {str(each.status) for each in messages} - ACCEPTED_STATUSES - FAILED_STATUSES - OTHER_STATUSES
    if unknown:
        return warning(
            f"Twilio's log has statuses that we do not know: {', '.join(sorted(unknown))}.",
            "They are passed over. Tell the authors of Relais.",
        )
    return ok(f"The last {len(messages)} messages in Twilio's log have no status that we do not know.")


def _test_order(messages: list[client.TwilioMessage]) -> CheckResult:
    moments = [moment for each in messages if (moment := each.date_sent or each.date_created)]
    if len(moments) < 2:
        return unverified("Twilio's log holds too few messages to tell their order.")
    if any(later - earlier > ORDER_TOLERANCE for earlier, later in pairwise(moments)):
        return warning(
            "Twilio's log is not listed newest first: messages in it may be missed.",
            "Tell the authors of Relais.",
        )
    return ok(f"The last {len(messages)} messages in Twilio's log are listed newest first.")


TESTS: dict[str, Callable[[list[client.TwilioMessage]], CheckResult]] = {
    "LOG_IS_ORDERED_BY_SEND_TIME": _test_order,
    "ACCEPTED_STATUSES": _test_statuses,
    "FAILED_STATUSES": _test_statuses,
}
