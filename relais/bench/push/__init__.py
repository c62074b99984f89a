"""Push latency from the webhook to a thousand sockets, beside a bare fan-out of the same frames.

Each page has two sockets: a conversation's and the list's. Every agent reaches every conversation, so each message is
about two frames to the pages of its conversation and a change on every list.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relais.bench.instance import RelaisInstance, running_instance
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.port import free_port

MESSAGES_PER_SECOND = 100
"""Over all conversations together."""
TOKEN, NUMBER = "b" * 32, "+14155238886"
SETUP_TIMEOUT_SECONDS = 180.0
"""For opening all sockets on a slow machine, beyond the measured time."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds from the webhook request until a socket has read its frame, as percentiles."""
    with tempfile.TemporaryDirectory(prefix="relais-push-") as folder:
        scratch = Path(folder)
        work = {"seconds": options.seconds, "rate": MESSAGES_PER_SECOND, "token": TOKEN, "number": NUMBER}
        with _desk(scratch / "data") as desk:
            work |= _seed_data(desk, options.sockets, options.threads)
            pushed = _run_load_client(desk.port, work, scratch / "frames.json")
        with _running_bare_fan_out(scratch / "frames.json") as port:
            bare = _run_load_client(port, work)
    return _figures(options, pushed, bare)


def summary_lines(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{figures['sockets']} pages on {figures['threads']} threads and their lists, "
        f"{figures['rate']} messages a second: {figures['frames']} frames"
    )
    yield f"missing {figures['missing']}, doubled {figures['doubled']}, out of order {figures['out_of_order']}"
    yield f"a message: p50 {figures['p50_ms']} ms, p90 {figures['p90_ms']} ms, p99 {figures['p99_ms']} ms"
    yield f"of that, the hook's own answer: p50 {figures['hook_p50_ms']} ms, p99 {figures['hook_p99_ms']} ms"
    yield (
        f"a bare fan-out: p50 {figures['bare_p50_ms']} ms, p99 {figures['bare_p99_ms']} ms; "
        f"p99 beyond it {figures['beyond_p99_ms']} ms"
    )
    yield f"a row of a list: p50 {figures['row_p50_ms']} ms old, p99 {figures['row_p99_ms']} ms"


def _figures(options: argparse.Namespace, pushed: dict[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
    return {
        "p50_ms": _percentile(pushed["thread"], 50),
        "p90_ms": _percentile(pushed["thread"], 90),
        "p99_ms": _percentile(pushed["thread"], 99),
        "hook_p50_ms": _percentile(pushed["hook"], 50),
        "hook_p99_ms": _percentile(pushed["hook"], 99),
        "bare_p50_ms": _percentile(bare["thread"], 50),
        "bare_p99_ms": _percentile(bare["thread"], 99),
        "beyond_p99_ms": round(_percentile(pushed["thread"], 99) - _percentile(bare["thread"], 99), 1),
        "row_p50_ms": _percentile(pushed["row"], 50),
        "row_p99_ms": _percentile(pushed["row"], 99),
        "frames": len(pushed["thread"]),
        "list_frames": pushed["list_frames"],
        "bare_list_frames": bare["list_frames"],
        "missing": pushed["missing"],
        "doubled": pushed["doubled"],
        "out_of_order": pushed["out_of_order"],
        "refused": pushed["refused"],
        "untaken": pushed["untaken"],
        "sockets": options.sockets,
        "threads": options.threads,
        "rate": round(pushed["posted"] / options.seconds, 1),
    }


def _percentile(sorted_seconds: Sequence[float], percent: int) -> float:
    if not sorted_seconds:
        return 0.0
    return round(sorted_seconds[len(sorted_seconds) * percent // 100] * 1000, 1)


# -- the processes ----------------------------------------------------------------------------------------


@contextmanager
def _desk(folder: Path) -> Iterator[RelaisInstance]:
    port = free_port()
    account = {"TWILIO_ACCOUNT_SID": "AC" + "7" * 32, "TWILIO_AUTH_TOKEN": TOKEN}
    # Nothing is sent here, so no double is needed; an attempt would reach a closed port.
    nobody = {"TWILIO_WHATSAPP_NUMBER": NUMBER, "TWILIO_API_BASE_URL": "http://127.0.0.1:9"}
    public = f"http://localhost:{port}"
    with running_instance(folder, port=port, PUBLIC_BASE_URL=public, **account, **nobody) as desk:
        yield desk


def _seed_data(desk: RelaisInstance, pages: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "relais.bench.push.seed_data", str(pages), str(threads)]
    made = subprocess.run(command, cwd=ROOT, env=desk.environment, stdout=subprocess.PIPE, check=True)
    crowd: dict[str, Any] = json.loads(made.stdout)
    return crowd | {"url": desk.url}


def _run_load_client(port: int, work: dict[str, Any], keep: Path | None = None) -> dict[str, Any]:
    """Run the load client in a process of its own; `keep` is the file for the frames it read."""
    command = [
        sys.executable,
        "-m",
        "relais.bench.push.load_client",
        str(port),
        *([str(keep)] if keep else []),
    ]
    measurements = subprocess.run(
        command,
        cwd=ROOT,
        input=json.dumps(work).encode(),
        stdout=subprocess.PIPE,
        timeout=work["seconds"] + SETUP_TIMEOUT_SECONDS,
        check=True,
    )
    figures: dict[str, Any] = json.loads(measurements.stdout)
    return figures


@contextmanager
def _running_bare_fan_out(frames: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "relais.bench.push.bare_fan_out", str(port), str(frames)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: _is_listening(port), 20, "the bare fan-out to listen")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
