import subprocess
import sys

from relais.ops.process import lives
from relais.ops.tests.desk import until


def test_who_does_not_stop_ends_soon_after_his_parent():
    child = "import sys, time; from relais.ops.process import end_soon_after as e; e(int(sys.argv[1]), 0); time.sleep(600)"
    parent = f"""
import os, subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {child!r}, str(os.getpid())], stdout=subprocess.DEVNULL).pid, flush=True)
input()
"""
    family = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert family.stdout is not None
    pid = int(family.stdout.readline())
    assert lives(pid)
    family.communicate("\n")
    until(lambda: not lives(pid), what="the child has ended")


def test_a_process_that_nobody_reaped_does_not_live():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: not lives(ended.pid), what="it has ended")
    ended.wait()
    assert not lives(ended.pid)
