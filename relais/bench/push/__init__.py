"""From the hook to a thousand screens, beside a bare fan-out of the same frames.

Each page has two sockets: one on one of the threads, and its list. Every agent reaches every conversation, so each
message is two or so frames to those who look at its thread, and news to every list.
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

from relais.bench.desk import Desk, running_desk
from relais.emulator.testing import wait_for
from relais.environment import ROOT
from relais.ops.port import free_port

RATE = 100
"""Messages a second, over all threads together."""
TOKEN, NUMBER = "b" * 32, "+14155238886"
LIMIT = 180.0
"""Seconds beyond the measured ones that opening all sockets may take on a slow machine."""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds from just before a hook is called until a socket has read the frame of it, by percentiles."""
    with tempfile.TemporaryDirectory(prefix="relais-push-") as folder:
        scratch = Path(folder)
        work = {"seconds": options.seconds, "rate": RATE, "token": TOKEN, "number": NUMBER}
        with _desk(scratch / "data") as desk:
            work |= _crowd(desk, options.sockets, options.threads)
            pushed = _watched(desk.port, work, scratch / "frames.json")
        with _bare(scratch / "frames.json") as port:
            bare = _watched(port, work)
    return _figures(options, pushed, bare)


def told(figures: dict[str, Any]) -> Iterator[str]:
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
def _desk(folder: Path) -> Iterator[Desk]:
    port = free_port()
    account = {"TWILIO_ACCOUNT_SID": "AC" + "7" * 32, "TWILIO_AUTH_TOKEN": TOKEN}
    # Nothing is said to anyone here: no double is needed, and whoever tried would reach nobody.
    nobody = {"TWILIO_WHATSAPP_NUMBER": NUMBER, "TWILIO_API_BASE_URL": "http://127.0.0.1:9"}
    public = f"http://localhost:{port}"
    with running_desk(folder, port=port, PUBLIC_BASE_URL=public, **account, **nobody) as desk:
        yield desk


def _crowd(desk: Desk, pages: int, threads: int) -> dict[str, Any]:
    asked = [sys.executable, "-m", "relais.bench.push.crowd", str(pages), str(threads)]
    made = subprocess.run(asked, cwd=ROOT, env=desk.environment, stdout=subprocess.PIPE, check=True)
    crowd: dict[str, Any] = json.loads(made.stdout)
    return crowd | {"url": desk.url}


def _watched(port: int, work: dict[str, Any], keep: Path | None = None) -> dict[str, Any]:
    """What a process of its own saw that calls the hooks and reads all sockets; `keep`: the frames it read."""
    asked = [
        sys.executable,
        "-m",
        "relais.bench.push.watchers",
        str(port),
        *([str(keep)] if keep else []),
    ]
    seen = subprocess.run(
        asked,
        cwd=ROOT,
        input=json.dumps(work).encode(),
        stdout=subprocess.PIPE,
        timeout=work["seconds"] + LIMIT,
        check=True,
    )
    figures: dict[str, Any] = json.loads(seen.stdout)
    return figures


@contextmanager
def _bare(frames: Path) -> Iterator[int]:
    port = free_port()
    asked = [sys.executable, "-m", "relais.bench.push.bare", str(port), str(frames)]
    process = subprocess.Popen(asked, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), 20, "the bare fan-out to listen")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
