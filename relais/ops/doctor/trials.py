"""What we take for true of Twilio: tried where reading is enough to try it, else said to be unverified."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace

from relais.ops.doctor.finding import Finding, ok, unverified, warning
from relais.ops.doctor.patient import Patient
from relais.whatsapp import assumptions, client
from relais.whatsapp.assumptions import ACCEPTED_STATUSES, FAILED_STATUSES

ENOUGH = 100
ON_THE_WAY = {"delivered", "read", "received", "receiving", "partially_delivered"}


def look(patient: Patient) -> Iterator[Finding]:
    if not patient.live:
        return
    for name, sentence in assumed().items():
        trial = TRIALS.get(name)
        found = trial() if trial else unverified(sentence)
        yield replace(found, name="assumption", sentence=f"{name}: {found.sentence}")


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


def _statuses() -> Finding:
    """Whether the log holds any that we would not know what to do with."""
    try:
        with client.sorted_failures():
            messages = client.twilio().messages.list(limit=ENOUGH)
    except (client.NotNow, client.Unanswered, client.TwilioRefused) as error:
        return unverified(f"Which statuses a message can have: {error}")
    if not messages:
        return unverified("Which statuses a message can have: Twilio's log is empty.")
    unknown = {str(each.status) for each in messages} - ACCEPTED_STATUSES - FAILED_STATUSES - ON_THE_WAY
    if unknown:
        return warning(
            f"Twilio's log has statuses that we do not know: {', '.join(sorted(unknown))}.",
            "They are passed over. Tell the authors of Relais.",
        )
    return ok(f"The last {len(messages)} messages in Twilio's log have no status that we do not know.")


TRIALS: dict[str, Callable[[], Finding]] = {
    "ACCEPTED_STATUSES": _statuses,
    "FAILED_STATUSES": _statuses,
}
