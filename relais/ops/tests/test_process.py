import subprocess
import sys

from relais.ops.process import is_alive
from relais.ops.tests.desk import until


def test_a_process_that_does_not_stop_exits_after_its_parent():
    child = "import sys, time; from relais.ops.process import exit_after_parent as e; e(int(sys.argv[1]), 0); time.sleep(600)"
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
    assert is_alive(pid)
    family.communicate("\n")
    until(lambda: not is_alive(pid), what="the child has ended")


def test_a_zombie_is_not_alive():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: not is_alive(ended.pid), what="it has ended")
    ended.wait()
    assert not is_alive(ended.pid)
