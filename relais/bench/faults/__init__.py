"""Messages under kills and faults, in both directions, counted at the end: `relais bench faults`.

What each part does stands in its file: `stage` the processes, `load` who writes, `blows` what dies, `readers` who
looks on, `count` what it all came to.
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

from relais.bench.faults.fault_injection import Blows
from relais.bench.faults.load import Cast, Load, opened
from relais.bench.faults.readers import Readers
from relais.bench.faults.testbed import Stage, may_mount, set_up
from relais.bench.faults.verification import Count, count
from relais.emulator.testing import wait_for

MOST_CONVERSATIONS = 800
LOOKED_AT = 24
SHORT = 5000
SETTLES_IN = 420
"""Seconds for doubts, retries and reconciliation to come to an end once nothing is harmed any more."""
MAX_ROUND_SECONDS = 240
"""How much longer than its messages a run lasts until everything was harmed once."""
CHECK_EVERY = 3.0
SHOWN = 40
"""Lines of each kind that are told when something is wrong."""

UNDER_WAY = """
select (select count(*) from message_deliveries
         where state in ('queued', 'sending') or state = 'uncertain' and ask_after is not null),
       (select count(*) from procrastinate_jobs
         where status in ('todo', 'doing') and task_name ~ '^relais.flows.tasks.run_bot')
"""
IN_DOUBT = """
select d.conversation_id, d.event_id, u.email from message_deliveries d join conversations c on c.id = d.conversation_id
  join users u on u.id = c.agent_id
 where d.state = 'uncertain' and d.ask_after is null and c.status = 'transferred'
   and not exists (select 1 from conversation_events e where e.resend_of_id = d.event_id)
"""


MUST_BE_ZERO = ("lost", "doubled", "out_of_order", "wrong_state", "unfinished_jobs", "errors")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    seed = getattr(options, "seed", 0) or random.SystemRandom().randrange(1, 10**6)
    _say(f"seed {seed}")
    keep, small_disk = bool(getattr(options, "keep", 0)), bool(getattr(options, "full_disk", 1))
    if small_disk and (keep or not may_mount()):
        small_disk = False
        _say("the disk is not filled: " + ("the folder is kept" if keep else "mounting one wants root"))
    with set_up(keep=keep, small_disk=small_disk, read_after_ms=150, retry_pause_ms=1000) as stage:
        settles_in = getattr(options, "settle", SETTLES_IN)
        return _measured(stage, messages=options.messages, seed=seed, settles_in=settles_in)


def _measured(stage: Stage, *, messages: int, seed: int, settles_in: float) -> dict[str, Any]:
    began = time.monotonic()
    cast = opened(stage, min(MOST_CONVERSATIONS, max(24, messages // 40)))
    load = Load(stage, cast, messages=messages, seed=seed)
    readers = Readers(stage, _looked_at(cast))
    pause = (0.5, 2.5) if messages <= SHORT else (3.0, 12.0)
    # Of a short run no more than its share, else a slow machine would spend its time on starting processes.
    blows = Blows(stage, readers, seed=seed, pause=pause, rounds=max(1, messages // 600))
    try:
        readers.start()
        blows.start()
        load.start()
        _until_all_is_said(load, blows)
        blows.stop()
        loaded = time.monotonic() - began
        _say(f"all is said after {loaded:.0f} s; blows: {dict(blows.counts)}")
        found = _settled(stage, load, readers, within=settles_in)
    finally:
        with suppress(requests.RequestException):
            blows.stop()
        load.stop()
        readers.stop()
    return _figures(found, load, blows, readers) | {
        "seed": seed,
        "load_s": round(loaded, 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def _looked_at(cast: Cast) -> list[int]:
    held = [conversation for each in cast.held.values() for conversation in each]
    return [*held[: LOOKED_AT // 2], *cast.moving[: LOOKED_AT // 2]]


def _until_all_is_said(load: Load, blows: Blows) -> None:
    """And until everything has been harmed at least once, however short the run."""
    longest = time.monotonic() + MAX_ROUND_SECONDS
    while load.runs or (not blows.had_a_round and time.monotonic() < longest):
        time.sleep(0.2)


def _settled(stage: Stage, load: Load, readers: Readers, *, within: float) -> Count:
    """Counted again and again until all is right, or until there was time enough for it to become right."""
    until = time.monotonic() + within
    while True:
        with suppress(TimeoutError):
            wait_for(
                lambda: _is_quiet(stage), max(1.0, until - time.monotonic()), "everything to come to rest"
            )
        found = count(stage, load, readers.all)
        _say(found.in_short)
        # What is still uncertain then, and nobody holds, stays so: it is marked on the page.
        if (found.is_clean and not stage.desk.ask(IN_DOUBT)) or time.monotonic() > until:
            return found
        time.sleep(CHECK_EVERY)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _is_quiet(stage: Stage) -> bool:
    with suppress(psycopg.Error, requests.RequestException):
        _say_again_what_nobody_knows(stage)
        [[deliveries, jobs]] = stage.desk.ask(UNDER_WAY)
        if not deliveries and not jobs and stage.twilio.get("state")["under_way"] == 0:
            return stage.desk.is_well()
    time.sleep(0.5)
    return False


def _say_again_what_nobody_knows(stage: Stage) -> None:
    """What the page asks a person to do about « envoi incertain »: its holder clicks « Renvoyer »."""
    for conversation, event, email in stage.desk.ask(IN_DOUBT):
        with suppress(requests.RequestException):
            stage.people[email].does("resend", conversation, event=str(event))


def _figures(found: Count, load: Load, blows: Blows, readers: Readers) -> dict[str, Any]:
    errors = [*load.errors, *blows.errors]
    wrong = {
        "lost": found.lost,
        "doubled": found.doubled,
        "out_of_order": found.out_of_order,
        "wrong_state": found.wrong_state,
        "unfinished_jobs": found.unfinished_jobs,
        "errors": errors,
    }
    for name, lines in (wrong | {"uncertain": found.uncertain}).items():
        for line in lines[:SHOWN]:
            _say(f"{name}: {line}")
    return {name: len(lines) for name, lines in wrong.items()} | {
        "messages": found.received + found.accepted,
        "received": found.received,
        "accepted": found.accepted,
        "healed": found.healed,
        "uncertain": len(found.uncertain),
        "kills": blows.counts["web"] + blows.counts["jobs"],
        "database_restarts": blows.counts["database"] + blows.counts["long database"],
        "mid_tick_cuts": blows.counts["mid tick"],
        "full_disks": blows.counts["full disk"],
        "twilio_away": blows.counts["silence"],
        "socket_cuts": readers.cuts,
        "reconnects": sum(max(0, reader.comes_back) for reader in readers.all),
        "frames": sum(len(reader.frames) for reader in readers.all),
        "repeated_clicks": load.repeated,
    }


def failed(figures: dict[str, Any]) -> bool:
    return any(figures[name] for name in MUST_BE_ZERO)


def told(figures: dict[str, Any]) -> Iterator[str]:
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
