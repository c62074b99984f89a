"""Engine speed: the time of a step of the dealer's flow and of loading 2,000 states. No database, no network."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from relais.flows import engine
from relais.flows.library import path_of

ROUNDS = 200
STATES = 2_000
ANSWERS = (
    "Fatou Diallo",
    "oui",
    "2",
    "1",
    "GLE",
    "retour",
    "3",
    "une phrase que personne n'attend",
    "quitter",
)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of a step (median and 99th percentile), seconds to load the large flow."""
    flow = engine.parse(json.loads(path_of("mercedes").read_text()))
    steps = sorted(duration for _round in range(ROUNDS) for duration in _play(flow))
    return {
        "steps": len(steps),
        "step_ms": round(statistics.median(steps) * 1000, 3),
        "step_p99_ms": round(steps[int(len(steps) * 0.99)] * 1000, 3),
        "load_states": STATES,
        "load_s": round(_timed(lambda: engine.parse(_large_flow())), 3),
    }


def summary_lines(figures: dict[str, float]) -> Iterator[str]:
    yield f"a step of the dealer's flow: median {figures['step_ms']} ms, p99 {figures['step_p99_ms']} ms"
    yield f"loading {figures['load_states']} states: {figures['load_s']} s"


def _play(flow: engine.Flow) -> list[float]:
    """Play a conversation and time each step; every call of our hooks succeeds."""
    now, durations = datetime(2026, 3, 2, 9, tzinfo=UTC), []
    context = engine.ExecutionContext("FN1", "FW1", "whatsapp:+212600000001", "whatsapp:+14155238886")
    state = engine.start(flow, trigger=engine.Trigger.message({"Body": "bonjour"}), context=context, now=now)
    waiting: list[engine.Input] = [engine.Started()]
    answers = iter(ANSWERS)
    while waiting and state["ended"] is None:
        engine_input, now = waiting.pop(0), now + timedelta(seconds=5)
        begun = time.perf_counter()
        state, effects = engine.step(flow, state, engine_input, now=now)
        durations.append(time.perf_counter() - begun)
        waiting += [
            _successful_response(effect.ref)
            for effect in effects
            if isinstance(effect, engine.MakeHttpRequest)
        ]
        if not waiting and engine.waits_for_reply(state) and (text := next(answers, None)):
            waiting.append(engine.MessageReceived({"Body": text}))
    return durations


def _successful_response(ref: int) -> engine.RequestResult:
    payload = {
        "success": "true",
        "conversation_id": 1,
        "agent_mode": "false",
        "pending_agent": "false",
        "stored": "true",
    }
    return engine.RequestResult(ref, status=200, content_type="application/json", body=json.dumps(payload))


def _large_flow() -> dict[str, Any]:
    """A chain of messages, as long as Studio allows."""
    states: list[dict[str, Any]] = [_state("Trigger", "trigger", "incomingMessage", "s1")]
    for n in range(1, STATES):
        following = f"s{n + 1}" if n + 1 < STATES else None
        states.append(
            _state(f"s{n}", "send-message", "sent", following, body="{{contact.channel.address}} " + str(n))
        )
    return {"description": "", "states": states, "initial_state": "Trigger", "flags": {}}


def _state(name: str, type: str, event: str, next: str | None, **properties: str) -> dict[str, Any]:
    transition = {"event": event} | ({"next": next} if next else {})
    return {"name": name, "type": type, "transitions": [transition], "properties": properties}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
