"""Process helpers: end with the parent, drop root privileges between fork and exec, test whether a pid is alive."""

import ctypes
import os
import pwd
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

# Numbers from <linux/prctl.h>, <linux/capability.h> and <linux/securebits.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2
_DAC = 1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH

LINUX = sys.platform == "linux"


def is_alive(pid: int) -> bool:
    """False for a zombie: where no init reaps, as in some containers, it stays for ever."""
    try:
        os.kill(pid, 0)
        return not LINUX or b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        return True


def dies_with_parent(signum: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `signum` when the thread that started the child ends, even by kill -9."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def in_child() -> None:
        if LINUX:
            libc.prctl(_PR_SET_PDEATHSIG, signum)
            if os.getppid() != parent:
                os._exit(1)

    return in_child


def exit_after_parent(parent: int, grace_seconds: float = 12) -> None:
    """Exit by force if this process has not stopped by itself some seconds after its parent ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        time.sleep(grace_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def as_user(user: pwd.struct_passwd | None, then: Callable[[], None]) -> Callable[[], None]:
    """A `preexec_fn`: switch to `user` (None: do not), then call `then`.

    The child keeps the capabilities to traverse folders such as a 0700 /root, which may hold the clone: no folder's
    permissions have to be changed.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        if user is not None:
            if LINUX:
                libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            if LINUX:
                _keep_traversal_capabilities(libc)
        then()  # After setuid, which clears the death signal.

    return in_child


def _keep_traversal_capabilities(libc: ctypes.CDLL) -> None:
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(head, data)
    kept = data[1] & _DAC
    data[0] = data[1] = data[2] = kept
    data[3] = data[4] = data[5] = 0
    libc.capset(head, data)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        if kept >> capability & 1:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
