"""`relais up` with tiny children in place of the real ones, to see how it treats them.

Run as a program: without arguments it is the supervisor, with arguments a child that does as `CHILD_web`,
`CHILD_jobs` … tell it: `well` (the default), `fails` at once, or `stubborn`: does not stop when asked.
"""

import os
import signal
import socket
import sys
import threading
from pathlib import Path


def supervise() -> int:
    from relais import cli
    from relais.ops import supervisor

    supervisor.RELAIS = (sys.executable, __file__)
    return cli.main(["up"])


def behave(name: str) -> int:
    manner = os.environ.get(f"CHILD_{name}", "well")
    folder = Path(os.environ["RELAIS_DATA_DIR"])
    if "--after" in sys.argv:
        os.read(int(sys.argv[sys.argv.index("--after") + 1]), 1)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    with open(folder / f"{name}.starts", "a") as starts:
        starts.write(f"{os.getpid()}\n")
    if manner == "fails":
        print(f"the last words of {name}", flush=True)
        return 3
    if name == "prepare":
        return 0
    if name == "web":
        threading.Thread(target=answer, args=[int(sys.argv[3])], daemon=True).start()
    asked.wait()
    (folder / f"{name}.asked").touch()
    if manner == "stubborn":
        threading.Event().wait()
    (folder / f"{name}.ended").touch()
    return 0


def answer(fd: int) -> None:
    listener = socket.socket(fileno=fd)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


if __name__ == "__main__":
    sys.exit(behave(sys.argv[1]) if len(sys.argv) > 1 else supervise())
