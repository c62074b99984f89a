"""Reading a stranger's file in a process of its own, which a broken file may crash or keep busy."""

from __future__ import annotations

import subprocess
import sys
from typing import BinaryIO


def run_worker(
    module: str, source: BinaryIO, result: BinaryIO, *arguments: str, timeout_seconds: float
) -> int | None:
    """Run `module` from `source` to `result`; its exit code, or None if it was ended after the time-out."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=source,
            stdout=result,
            stderr=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode
