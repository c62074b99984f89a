"""A cheap load generator that calls the webhook as Twilio does, on many connections.

`python -m relais.bench.ingest_load_client` reads the job from standard input and prints the result, both as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote_plus

import uvloop

TEXT = "Bonjour je voudrais un rendez-vous pour la révision de ma voiture samedi matin s'il vous plaît merci"
CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


@dataclass(frozen=True)
class LoadJob:
    port: int
    path: str
    base_url: str
    token: str
    account: str
    sender: str
    run: str
    """Eight hexadecimal digits, unique per load on the same database."""
    clients: int
    connections: int
    warm_up: float
    seconds: float
    acknowledged: str
    """The file that receives the SIDs of acknowledged messages, one per line."""


@dataclass
class LoadResult:
    rate: float
    p50_ms: float
    p99_ms: float
    acknowledged: int
    refused: int
    cpu: float
    """The CPU share of one core that the load generator used."""


def requests_of(load: LoadJob) -> Iterator[tuple[str, bytes]]:
    """Yield SIDs with signed requests endlessly. Each client writes once before any writes again."""
    rng = random.Random(load.run)  # noqa: S311
    url, token = f"{load.base_url}{load.path}", load.token.encode()
    head = f"POST {load.path} HTTP/1.1\r\nHost: localhost:{load.port}\r\n".encode() + (
        b"Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nUser-Agent: TwilioProxy/1.1\r\n"
        b"Accept: */*\r\nI-Twilio-Idempotency-Token: 6ff0a1bd-5d4e-4f0a-9c53-1b5f8a2f9f11\r\nX-Twilio-Signature: "
    )
    for n in range(10**9):
        sid = f"SM{load.run}{n:024x}"
        number = f"2126{n % load.clients if n < load.clients else rng.randrange(load.clients):08d}"
        params = _parameters(load, sid, number, TEXT[: rng.randint(5, len(TEXT))])
        signed = url + "".join(name + value for name, value in params)
        signature = base64.b64encode(hmac.digest(token, signed.encode(), "sha1"))
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in params).encode()
        yield sid, head + signature + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _parameters(load: LoadJob, sid: str, number: str, text: str) -> list[tuple[str, str]]:
    """The parameters of a real text message, sorted by name as the signature requires."""
    return [
        ("AccountSid", load.account),
        ("ApiVersion", "2010-04-01"),
        ("Body", text),
        (
            "ChannelMetadata",
            f'{{"type":"whatsapp","data":{{"context":{{"ProfileName":"Fatou","WaId":"{number}"}}}}}}',
        ),
        ("ChannelPrefix", "whatsapp"),
        ("From", f"whatsapp:+{number}"),
        ("MessageSid", sid),
        ("MessageType", "text"),
        ("MessagingServiceSid", "MG" + load.account[2:]),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("OriginalRepliedMessageSender", load.sender),
        ("OriginalRepliedMessageSid", "SM" + load.account[2:]),
        ("ProfileName", "Fatou"),
        ("ReferralNumMedia", "0"),
        ("SmsMessageSid", sid),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("To", load.sender),
        ("WaId", number),
    ]


class Writer(asyncio.Protocol):
    """One keep-alive connection: the next request follows the previous response."""

    def __init__(self, messages: Iterator[tuple[str, bytes]], until: float) -> None:
        self.messages = messages
        self.until = until
        self.answers: list[tuple[float, float, int, str]] = []
        """Time of the response, latency, status and SID of each request."""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self._write()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        now = time.perf_counter()
        self.answers.append((now, now - self.begun, int(head[9:12]), self.sid))
        if now < self.until:
            self._write()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _write(self) -> None:
        self.sid, request = next(self.messages)
        self.received, self.begun = b"", time.perf_counter()
        self.transport.write(request)


def _length(head: bytes) -> int:
    match = CONTENT_LENGTH.search(head)
    return int(match[1]) if match else 0


async def write(load: LoadJob) -> LoadResult:
    messages, loop = requests_of(load), asyncio.get_running_loop()
    begun = time.perf_counter()
    measured_from, until = begun + load.warm_up, begun + load.warm_up + load.seconds
    spent = time.process_time()
    writers = [Writer(messages, until) for _ in range(load.connections)]
    for writer in writers:
        await loop.create_connection(lambda writer=writer: writer, "127.0.0.1", load.port)  # type: ignore[misc]
    await asyncio.wait([writer.done for writer in writers], timeout=load.warm_up + load.seconds + 30)
    answers = [answer for writer in writers for answer in writer.answers]
    Path(load.acknowledged).write_text("".join(f"{sid}\n" for *_, status, sid in answers if status == 200))
    counted = sorted(
        took for at, took, status, _ in answers if status == 200 and measured_from <= at <= until
    )
    return LoadResult(
        rate=round(len(counted) / load.seconds, 1),
        p50_ms=_percentile_ms(counted, 0.5),
        p99_ms=_percentile_ms(counted, 0.99),
        acknowledged=sum(status == 200 for *_, status, _ in answers),
        refused=sum(status != 200 for *_, status, _ in answers),
        cpu=round((time.process_time() - spent) / (load.warm_up + load.seconds), 2),
    )


def _percentile_ms(sorted_seconds: list[float], share: float) -> float:
    return round(sorted_seconds[int(len(sorted_seconds) * share)] * 1000, 2) if sorted_seconds else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(write(LoadJob(**json.load(sys.stdin)))))))
