"""What we take for true of Twilio: tried where reading is enough to try it, else said to be unverified."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise

from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, ok, unverified, warning
from relais.whatsapp import assumptions, client
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES

ENOUGH = 100
AT_ONCE = timedelta(seconds=60)
"""Messages sent side by side need no order."""
ON_THE_WAY = {"delivered", "read", "received", "receiving", "partially_delivered"}


def look(patient: Patient) -> Iterator[Finding]:
    if not patient.live:
        return
    log, why = _log()
    for name, sentence in assumed().items():
        trial = TRIALS.get(name)
        found = trial(log) if trial and log else unverified(f"{sentence} {why}" if trial else sentence)
        yield replace(found, name="assumption", sentence=f"{name}: {found.sentence}")


def _log() -> tuple[list[client.TwilioMessage], str]:
    """The newest messages in Twilio's log, or why there is none to try anything on."""
    try:
        found = list(
            islice(
                client.list_messages(page_size=ENOUGH, retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS),
                ENOUGH,
            )
        )
    except (client.RetryLater, client.OutcomeUnknown, client.TwilioRefused) as error:
        return [], f"Twilio's log cannot be read: {error}"
    return found, "" if found else "Twilio's log is empty."


def assumed() -> dict[str, str]:
    """Each assumption's name and what is said of it in the file that names them all."""
    found, name = {}, ""
    for node in ast.parse(inspect.getsource(assumptions)).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = " ".join(str(node.value.value).split())
        name = _named(node)
        if name:
            found[name] = ""
    return found


def _named(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""


def _statuses(messages: list[client.TwilioMessage]) -> Finding:
    """Whether the log holds any that we would not know what to do with."""
    unknown = {str(each.status) for each in messages} - ACCEPTED_STATUSES - FAILED_STATUSES - ON_THE_WAY
    if unknown:
        return warning(
            f"Twilio's log has statuses that we do not know: {', '.join(sorted(unknown))}.",
            "They are passed over. Tell the authors of Relais.",
        )
    return ok(f"The last {len(messages)} messages in Twilio's log have no status that we do not know.")


def _order(messages: list[client.TwilioMessage]) -> Finding:
    moments = [moment for each in messages if (moment := each.date_sent or each.date_created)]
    if len(moments) < 2:
        return unverified("Twilio's log holds too few messages to tell their order.")
    if any(later - earlier > AT_ONCE for earlier, later in pairwise(moments)):
        return warning(
            "Twilio's log is not listed newest first: messages in it may be missed.",
            "Tell the authors of Relais.",
        )
    return ok(f"The last {len(messages)} messages in Twilio's log are listed newest first.")


TRIALS: dict[str, Callable[[list[client.TwilioMessage]], Finding]] = {
    "LOG_IS_ORDERED_BY_SEND_TIME": _order,
    "ACCEPTED_STATUSES": _statuses,
    "FAILED_STATUSES": _statuses,
}
