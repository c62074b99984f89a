"""`relais up` with stub children in place of the real ones, to test the supervisor.

Run as a program: without arguments it is the supervisor, with arguments a child that behaves as the variables
`CHILD_web`, `CHILD_jobs` … say: `normal` (the default), `fails` at once, `stubborn` (ignores SIGTERM), or `logs` a
routine line before and after the banner, and then a warning.
"""

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path


def supervise() -> int:
    from relais.cli import main
    from relais.ops import supervisor

    supervisor.RELAIS_COMMAND = (sys.executable, __file__)
    return main(["up"])


def behave(name: str) -> int:
    behavior = os.environ.get(f"CHILD_{name}", "normal")
    folder = Path(os.environ["RELAIS_DATA_DIR"])
    if "--after" in sys.argv:
        os.read(int(sys.argv[sys.argv.index("--after") + 1]), 1)
    stop_requested = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop_requested.set())
    with open(folder / f"{name}.starts", "a") as starts:
        starts.write(f"{os.getpid()}\n")
    if behavior == "fails":
        print(f"the last words of {name}", flush=True)
        return 3
    if name == "prepare":
        return 0
    if name == "web":
        threading.Thread(target=serve, args=[int(sys.argv[3])], daemon=True).start()
    if behavior == "logs":
        log(name, "info", "process started")
        while not (folder / "banner-shown").exists() and not stop_requested.wait(0.05):
            pass
        log(name, "info", "routine event")
        log(name, "warning", "unusual event")
    stop_requested.wait()
    (folder / f"{name}.asked").touch()
    if behavior == "stubborn":
        threading.Event().wait()
    (folder / f"{name}.ended").touch()
    return 0


def serve(fd: int) -> None:
    listener = socket.socket(fileno=fd)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


def log(process: str, level: str, event: str) -> None:
    line = {"at": "2026-11-30T12:00:00Z", "level": level, "event": event, "process": process}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(behave(sys.argv[1]) if len(sys.argv) > 1 else supervise())
