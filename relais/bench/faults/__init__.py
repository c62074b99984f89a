"""Fault injection under load, in both directions, with a verification at the end: `relais bench faults`.

One file per part: `testbed` starts the processes, `load_generator` writes, `fault_injection` kills and cuts,
`socket_readers` keeps pages open, `verification` compares both sides.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import requests

from relais.bench.faults.fault_injection import FaultInjector
from relais.bench.faults.load_generator import Conversations, LoadGenerator, open_conversations
from relais.bench.faults.socket_readers import SocketReaders
from relais.bench.faults.testbed import Testbed, can_mount, running_testbed
from relais.bench.faults.verification import Verification, verify
from relais.emulator.testing import wait_for

MAX_CONVERSATIONS = 800
WATCHED_CONVERSATIONS = 24
SHORT_RUN_MESSAGES = 5000
SETTLE_TIMEOUT_SECONDS = 420
"""For uncertain sends, retries and reconciliation to finish after the last fault."""
MAX_ROUND_SECONDS = 240
"""How much longer than its load a run may last until every kind of fault was injected."""
CHECK_INTERVAL_SECONDS = 3.0
SHOWN = 40
"""Lines printed of each kind of error."""

COUNT_UNFINISHED = """
select (select count(*) from message_deliveries
         where state in ('queued', 'sending') or state = 'uncertain' and ask_after is not null),
       (select count(*) from procrastinate_jobs
         where status in ('todo', 'doing') and task_name ~ '^relais.flows.tasks.run_bot')
"""
FIND_UNCERTAIN = """
select d.conversation_id, d.event_id, u.email from message_deliveries d join conversations c on c.id = d.conversation_id
  join users u on u.id = c.agent_id
 where d.state = 'uncertain' and d.ask_after is null and c.status = 'transferred'
   and not exists (select 1 from conversation_events e where e.resend_of_id = d.event_id)
"""


MUST_BE_ZERO = ("lost", "doubled", "out_of_order", "wrong_state", "unfinished_jobs", "errors")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    seed = getattr(options, "seed", 0) or random.SystemRandom().randrange(1, 10**6)
    log_progress(f"seed {seed}")
    keep, small_disk = bool(getattr(options, "keep", 0)), bool(getattr(options, "full_disk", 1))
    if small_disk and (keep or not can_mount()):
        small_disk = False
        log_progress(
            "the disk is not filled: " + ("the folder is kept" if keep else "mounting one needs root")
        )
    with running_testbed(keep=keep, small_disk=small_disk, read_after_ms=150, retry_pause_ms=1000) as testbed:
        settle_seconds = getattr(options, "settle", SETTLE_TIMEOUT_SECONDS)
        return _run(testbed, messages=options.messages, seed=seed, settle_seconds=settle_seconds)


def _run(testbed: Testbed, *, messages: int, seed: int, settle_seconds: float) -> dict[str, Any]:
    began = time.monotonic()
    conversations_by_role = open_conversations(testbed, min(MAX_CONVERSATIONS, max(24, messages // 40)))
    load = LoadGenerator(testbed, conversations_by_role, messages=messages, seed=seed)
    readers = SocketReaders(testbed, _conversations_to_watch(conversations_by_role))
    pause = (0.5, 2.5) if messages <= SHORT_RUN_MESSAGES else (3.0, 12.0)
    # A short run gets few faults: a slow machine would otherwise spend its time starting processes.
    fault_injector = FaultInjector(testbed, readers, seed=seed, pause=pause, rounds=max(1, messages // 600))
    try:
        readers.start()
        fault_injector.start()
        load.start()
        _wait_for_load(load, fault_injector)
        fault_injector.stop()
        loaded = time.monotonic() - began
        log_progress(f"load finished after {loaded:.0f} s; faults: {dict(fault_injector.counts)}")
        result = _verify_until_clean(testbed, load, readers, within=settle_seconds)
    finally:
        with suppress(requests.RequestException):
            fault_injector.stop()
        load.stop()
        readers.stop()
    return _figures(result, load, fault_injector, readers) | {
        "seed": seed,
        "load_s": round(loaded, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def _conversations_to_watch(conversations_by_role: Conversations) -> list[int]:
    held = [conversation for each in conversations_by_role.held.values() for conversation in each]
    return [*held[: WATCHED_CONVERSATIONS // 2], *conversations_by_role.moving[: WATCHED_CONVERSATIONS // 2]]


def _wait_for_load(load: LoadGenerator, fault_injector: FaultInjector) -> None:
    """Wait for the load and until every kind of fault was injected, however short the run."""
    longest = time.monotonic() + MAX_ROUND_SECONDS
    while load.runs or (not fault_injector.has_injected_every_kind and time.monotonic() < longest):
        time.sleep(0.2)


def _verify_until_clean(
    testbed: Testbed, load: LoadGenerator, readers: SocketReaders, *, within: float
) -> Verification:
    """Verify repeatedly until nothing is wrong or the time to settle is over."""
    until = time.monotonic() + within
    while True:
        with suppress(TimeoutError):
            wait_for(lambda: _is_settled(testbed), max(1.0, until - time.monotonic()), "all work to finish")
        result = verify(testbed, load, readers.all)
        log_progress(result.summary)
        # An uncertain send in a conversation without a holder stays uncertain: the page marks it.
        if (result.is_clean and not testbed.desk.query(FIND_UNCERTAIN)) or time.monotonic() > until:
            return result
        time.sleep(CHECK_INTERVAL_SECONDS)


def log_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _is_settled(testbed: Testbed) -> bool:
    with suppress(psycopg.Error, requests.RequestException):
        _resend_uncertain(testbed)
        [[deliveries, jobs]] = testbed.desk.query(COUNT_UNFINISHED)
        if not deliveries and not jobs and testbed.twilio.get("state")["under_way"] == 0:
            return testbed.desk.is_healthy()
    time.sleep(0.5)
    return False


def _resend_uncertain(testbed: Testbed) -> None:
    """Do what the page asks of the holder of an uncertain send: click « Renvoyer »."""
    for conversation, event, email in testbed.desk.query(FIND_UNCERTAIN):
        with suppress(requests.RequestException):
            testbed.users[email].post_action("resend", conversation, event=str(event))


def _figures(
    result: Verification, load: LoadGenerator, fault_injector: FaultInjector, readers: SocketReaders
) -> dict[str, Any]:
    errors = [*load.errors, *fault_injector.errors]
    wrong = {
        "lost": result.lost,
        "doubled": result.doubled,
        "out_of_order": result.out_of_order,
        "wrong_state": result.wrong_state,
        "unfinished_jobs": result.unfinished_jobs,
        "errors": errors,
    }
    for name, lines in (wrong | {"uncertain": result.uncertain}).items():
        for line in lines[:SHOWN]:
            log_progress(f"{name}: {line}")
    return {name: len(lines) for name, lines in wrong.items()} | {
        "messages": result.received + result.accepted,
        "received": result.received,
        "accepted": result.accepted,
        "healed": result.recovered,
        "uncertain": len(result.uncertain),
        "kills": fault_injector.counts["web"] + fault_injector.counts["jobs"],
        "database_restarts": fault_injector.counts["database"] + fault_injector.counts["long database"],
        "mid_tick_cuts": fault_injector.counts["mid tick"],
        "full_disks": fault_injector.counts["full disk"],
        "twilio_away": fault_injector.counts["silence"],
        "socket_cuts": readers.cuts,
        "reconnects": sum(max(0, reader.reconnects) for reader in readers.all),
        "frames": sum(len(reader.frames) for reader in readers.all),
        "repeated_clicks": load.repeated,
    }


def failed(figures: dict[str, Any]) -> bool:
    return any(figures[name] for name in MUST_BE_ZERO)


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['messages']:,} messages in {figures['seconds']} s, seed {figures['seed']}: "
        f"{figures['kills']} kills, "
        f"{figures['database_restarts']} restarts of the database, {figures['twilio_away']} silences of Twilio, "
        f"{figures['mid_tick_cuts']} cuts in the middle of a tick, {figures['full_disks']} full disks, "
        f"{figures['socket_cuts']} sockets cut"
    )
    yield (
        f"lost {figures['lost']}, doubled {figures['doubled']}, out of order {figures['out_of_order']}, "
        f"wrong state {figures['wrong_state']}, unfinished jobs {figures['unfinished_jobs']}, "
        f"left uncertain {figures['uncertain']}, healed {figures['healed']}"
    )
