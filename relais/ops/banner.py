"""The banner with address and password, printed once everything is healthy, and the health check before it."""

import socket

from relais.demo_accounts import DEMO_ACCOUNTS, DEMO_PASSWORD
from relais.environment import LOOPBACK_HOSTS, Environment


def is_healthy(listener: socket.socket) -> bool:
    """GET `/api/health` by hand: an HTTP client would double the supervisor's memory."""
    try:
        with socket.create_connection(listener.getsockname()[:2], timeout=1) as connection:
            connection.sendall(b"GET /api/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return connection.recv(12).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def banner(environment: Environment) -> str:
    # "localhost" and not 127.0.0.1: browsers allow passkeys there.
    reachable_here = environment.host in (*LOOPBACK_HOSTS, "0.0.0.0", "::")  # noqa: S104
    address = f"http://{'localhost' if reachable_here else environment.host}:{environment.port}"
    lines = ["", f"  Relais est prêt · Relais is ready:  {address}", ""]
    if environment.demo:
        lines += [
            "  Démonstration · Demo, sans Twilio · without Twilio",
            f"  Comptes · accounts:  {'  '.join(DEMO_ACCOUNTS)}",
            f"  Mot de passe · password:  {DEMO_PASSWORD}",
            f"  Le téléphone d'un client · a client's phone:  {address}/simulator",
            "",
        ]
    else:
        lines += ["  Créer un compte · make an account:  .venv/bin/relais user create", ""]
    if not environment.demo and environment.public_base_url != address:
        lines += [f"  Twilio et les agents · Twilio and the agents:  {environment.public_base_url}", ""]
    return "\n".join([*lines, "  Arrêter · stop:  Ctrl+C", ""])
