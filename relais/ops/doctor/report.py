"""The output of `relais doctor`: a line for each check result, or JSON."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from relais.environment import ROOT, Environment, load
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, State
from relais.ops.errors import OperationError

DATABASE_START_TIMEOUT_SECONDS = 15.0
"""For the embedded database, when it does not run."""
LABELS = {
    State.OK: "ok",
    State.WARNING: "warning",
    State.FAILED: "failed",
    # In French in every output: it must stand out from “ok”.
    State.UNVERIFIED: "non vérifié",
}


def report(*, live: bool, as_json: bool) -> int:
    environment = load(ROOT, os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "relais.settings")
    import django

    django.setup()
    # Errors are results; a log line between them would break the JSON.
    logging.disable()
    from relais.ops.doctor.runner import run_checks

    with _database(environment) as why_not:
        results = run_checks(DoctorContext(environment, live=live, without_database=why_not))
        return print_results(results, as_json=as_json)


@contextmanager
def _database(environment: Environment) -> Iterator[str]:
    """Join the running database or start it for this block, but never create one. Yields why there is none, or ""."""
    if not environment.embedded_database:
        yield ""
        return
    from relais.ops.database import Cluster, joined_or_started

    deadline = time.monotonic() + DATABASE_START_TIMEOUT_SECONDS

    def sleep(seconds: float) -> None:
        if time.monotonic() > deadline:
            raise OperationError(f"it did not start within {DATABASE_START_TIMEOUT_SECONDS:.0f} s")
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


def print_results(results: Iterable[CheckResult], *, as_json: bool) -> int:
    """Print each as soon as it is known, in JSON all at the end. Returns 1 when a check failed."""
    printed = []
    for each in results:
        printed.append(each)
        if not as_json:
            print(_to_line(each), flush=True)
    if as_json:
        print(json.dumps([_to_record(each) for each in printed], ensure_ascii=False, indent=2))
    else:
        print(_summary(printed))
    return int(any(each.state == State.FAILED for each in printed))


def _to_line(result: CheckResult) -> str:
    advice = f"\n{'':29}→ {result.advice}" if result.advice and result.state != State.OK else ""
    return f"{LABELS[result.state]:13}{result.name:16}{result.sentence}{advice}"


def _to_record(result: CheckResult) -> dict[str, str]:
    sentence = f"non vérifié : {result.sentence}" if result.state == State.UNVERIFIED else result.sentence
    return {"name": result.name, "state": result.state.value, "sentence": sentence, "advice": result.advice}


def _summary(results: list[CheckResult]) -> str:
    counted = {state: sum(each.state == state for each in results) for state in State}
    return ", ".join(f"{count} {LABELS[state]}" for state, count in counted.items() if count) + "."
