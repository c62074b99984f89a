"""`relais doctor`: looks at everything that a working desk needs, and prints a line for each finding."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from relais.environment import ROOT, Environment, load
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, State
from relais.ops.errors import OperationError

START = 15.0
"""Seconds that the embedded database gets to start, when it does not run."""
LABELS = {
    State.OK: "ok",
    State.WARNING: "warning",
    State.FAILED: "failed",
    # In French wherever it stands: what nobody tried is told apart from what is well.
    State.UNVERIFIED: "non vérifié",
}


def report(*, live: bool, as_json: bool) -> int:
    environment = load(ROOT, os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")
    import django

    django.setup()
    # Whatever is wrong is told as a finding, and a line of a log among them would break the JSON.
    logging.disable()
    from relais.ops.doctor.runner import examine

    with _database(environment) as why_not:
        findings = examine(Patient(environment, live=live, without_database=why_not))
        return told(findings, as_json=as_json)


@contextmanager
def _database(environment: Environment) -> Iterator[str]:
    """The one that runs, or one for as long as we look. A text says why there is none; none is made."""
    if not environment.embedded_database:
        yield ""
        return
    from relais.ops.database import Cluster, joined_or_started

    end = time.monotonic() + START

    def sleep(seconds: float) -> None:
        if time.monotonic() > end:
            raise OperationError(f"it did not start within {START:.0f} s")
        time.sleep(seconds)

    with ExitStack() as stack:
        why_not = ""
        try:
            cluster = Cluster(environment.data_dir, sleep=sleep)
            if cluster.data.is_dir():
                stack.enter_context(joined_or_started(cluster))
            else:
                why_not = "there is none yet, bin/up makes it"
        except (OperationError, OSError) as error:
            why_not = str(error)
        yield why_not


def told(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Prints each as soon as it is found, in JSON all at the end; 1 when something failed."""
    all_of_them = []
    for each in findings:
        all_of_them.append(each)
        if not as_json:
            print(_line(each), flush=True)
    if as_json:
        print(json.dumps([_record(each) for each in all_of_them], ensure_ascii=False, indent=2))
    else:
        print(_in_short(all_of_them))
    return int(any(each.state == State.FAILED for each in all_of_them))


def _line(found: Finding) -> str:
    advice = f"\n{'':29}→ {found.advice}" if found.advice and found.state != State.OK else ""
    return f"{LABELS[found.state]:13}{found.name:16}{found.sentence}{advice}"


def _record(found: Finding) -> dict[str, str]:
    said = f"non vérifié : {found.sentence}" if found.state == State.UNVERIFIED else found.sentence
    return {"name": found.name, "state": found.state.value, "sentence": said, "advice": found.advice}


def _in_short(findings: list[Finding]) -> str:
    counted = {state: sum(each.state == state for each in findings) for state in State}
    return ", ".join(f"{count} {LABELS[state]}" for state, count in counted.items() if count) + "."
