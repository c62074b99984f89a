"""The double for tests: on a free port in a thread of its own, with the verbs a story needs.

with running_double(webhook=f"{desk.url}/api/twilio/message") as double:
    double.client_writes("+212612345678", "bonjour", name="Fatou")
    [said] = double.wait_for(lambda: double.accepted(to="whatsapp:+212612345678"))
    double.fault("create", "429", times=2)
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from relais.emulator.addresses import is_whatsapp, whatsapp_address
from relais.emulator.app import build_app
from relais.emulator.faults import Rule
from relais.emulator.messages import Message
from relais.emulator.settings import DEMO_SENDER, Settings
from relais.emulator.twilio_double import Double

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "f" * 32
PATIENCE = 10.0

T = TypeVar("T")


class ServerThread:
    """An ASGI application under uvicorn on a free port of 127.0.0.1, in a thread with a loop of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Begins, or begins again on the same port."""
        config = uvicorn.Config(
            self._app,
            port=self.port,
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve(), self.loop)
        wait_for(lambda: self._server.started or self._serving.done(), what="the server to listen")
        if self._serving.done():
            raise RuntimeError(f"Nothing can listen on port {self.port}.")
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Listens no longer; connections are refused."""
        self._server.should_exit = True
        self._serving.result(PATIENCE)

    def on_loop(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)

    def stop(self) -> None:
        """At once: uvicorn's own way waits for idle connections, in every test again."""
        asyncio.run_coroutine_threadsafe(self._drop_everything(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)

    async def _drop_everything(self) -> None:
        for server in self._server.servers:
            server.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        if answering := list(self._server.server_state.tasks):
            await asyncio.wait(answering, timeout=0.1)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


class RunningDouble:
    """The double as a test meets it; every verb may be called from any thread."""

    def __init__(self, settings: Settings, faults: Iterable[Rule | dict[str, Any]] = ()) -> None:
        self.double = Double(settings, faults)
        self._news = threading.Condition()
        self.double.changes.listeners.append(self._announce)
        self._server = ServerThread(build_app(self.double))

    @property
    def url(self) -> str:
        """What TWILIO_API_BASE_URL is set to."""
        return self._server.url

    @property
    def settings(self) -> Settings:
        """May be changed while it runs."""
        return self.double.settings

    # What clients do.

    def client_writes(
        self,
        client: str,
        text: str = "",
        *,
        name: str = "",
        to: str = "",
        media: tuple[bytes, str, str] | None = None,
        disposition: str = "",
        extra: dict[str, str] | None = None,
        wait: bool = True,
    ) -> Message:
        """A client's message; `media` is content, type, file name, and `disposition` the whole header instead of the
        name. Waits for the desk's answer, or its last one."""
        address = _address(client)

        def write() -> Message:
            now = self.double.clock.now()
            picture = self.double.media.put(*media, now, disposition=disposition) if media else None
            return self.double.receive(
                address, text, sender=to, profile_name=name, media=picture, extra=extra
            )

        message = self._on_loop(write)
        if wait:
            self.wait_for(
                lambda: message.handed_over is not None, what="the desk to answer the client's message"
            )
        return message

    def knows(self, name: str, client: str) -> None:
        """This person has a phone in the simulator, and a profile name."""
        self._on_loop(lambda: self.double.people.add(name, client))

    def seen_by(self, client: str) -> list[str]:
        """The company's texts on this client's phone, oldest first."""
        return [each.body for each in self._messages(client) if not each.inbound and each.on_phone]

    def client_reads(self, client: str) -> None:
        sids = [each.sid for each in self._messages(client)]
        self._on_loop(lambda: self.double.read(sids))

    # What Twilio knows.

    def accepted(self, *, to: str = "", body: str = "", ref: str = "") -> list[Message]:
        """Every message taken from the desk, oldest first; what is given must be equal."""
        wanted = {"to": _address(to) if to else "", "body": body, "ref": ref}
        everything = self._on_loop(lambda: list(self.double.messages.oldest_first()))
        return [
            each
            for each in everything
            if not each.inbound and all(v in ("", getattr(each, k)) for k, v in wanted.items())
        ]

    def requests(self, operation: str) -> int:
        """How many `create`, `list`, `fetch`, `media` or `execution` calls came in."""
        return self.double.requests.get(operation, 0)

    def starts_execution(self, flow: str, client: str, sid: str = "") -> str:
        address, account = _address(client), self.settings.account_sid
        now = self.double.clock.now()
        return self._on_loop(lambda: self.double.executions.start(account, flow, address, now, sid)).sid

    def execution_status(self, flow: str, sid: str) -> str:
        execution = self._on_loop(lambda: self.double.executions.get(flow, sid))
        return execution.status if execution else ""

    # What goes wrong, and how time goes by.

    def fault(self, on: str, fault: str, **rule: Any) -> Rule:
        """`double.fault("create", "no_answer", times=1, match={"body": "bonjour"})`; see faults.Rule."""
        return self._on_loop(lambda: self.double.faults.add(Rule(on=on, fault=fault, **rule)))

    def clear_faults(self) -> None:
        self._on_loop(self.double.faults.clear)

    def advance(self, seconds: float) -> None:
        self.double.clock.advance(seconds)

    def opens_window(self, client: str, sender: str = "") -> None:
        """As if this client had just written, without a message."""
        address, now = _address(client), self.double.clock.now()
        to = sender or self.settings.sender_of_only_number()
        self._on_loop(lambda: self.double.windows.client_wrote(address, to, now))

    def forgets(self) -> None:
        """As if it were started again: messages and windows are gone, people, settings and faults stay."""
        self._on_loop(self.double.forget)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Twilio cannot be reached; what it already took goes on."""
        self._server.hang_up()
        try:
            yield
        finally:
            self._server.listen()

    # Waiting and calling.

    def wait_for(self, condition: Callable[[], T], timeout: float = PATIENCE, what: str = "") -> T:
        """The condition's value once it is true. It may look at the double, the database or anything else."""
        return wait_for(condition, timeout, what, self._news)

    def wait_until_idle(self, timeout: float = PATIENCE) -> None:
        """Until every callback is made and every client's message handed over."""
        self.wait_for(lambda: self.double.is_idle, timeout, "the double to come to rest")

    def sdk(self, timeout: float = 5) -> Client:
        """Twilio's own client, talking to the double."""
        http = _ToTheDouble(self.url, timeout)
        return Client(self.settings.account_sid, self.settings.auth_token, http_client=http)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.double.stop(), self._server.loop).result(PATIENCE)
        self._server.stop()

    def _messages(self, client: str) -> list[Message]:
        address = _address(client)
        everything = self._on_loop(lambda: list(self.double.messages.oldest_first()))
        return [each for each in everything if each.client == address]

    def _announce(self) -> None:
        with self._news:
            self._news.notify_all()

    def _on_loop(self, function: Callable[[], T]) -> T:
        return self._server.on_loop(function)


@contextmanager
def running_double(
    *,
    account_sid: str = ACCOUNT,
    auth_token: str = TOKEN,
    sender: str = DEMO_SENDER,
    webhook: str | None = None,
    faults: Iterable[Rule | dict[str, Any]] = (),
    **settings: Any,
) -> Iterator[RunningDouble]:
    """`webhook` is the whole address with its fragment; further settings are those of Settings."""
    quick = {"sent_after_ms": 1, "delivered_after_ms": 1, "retry_pause_ms": 5, **settings}
    made = Settings(account_sid=account_sid, auth_token=auth_token, senders={sender: webhook}, **quick)
    double = RunningDouble(made, faults)
    try:
        yield double
    finally:
        double.stop()


def wait_for(
    condition: Callable[[], T],
    timeout: float = PATIENCE,
    what: str = "",
    news: threading.Condition | None = None,
) -> T:
    deadline = time.monotonic() + timeout
    news = news or threading.Condition()
    while not (value := condition()):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"Waited {timeout:g} s for {what or 'a condition'} in vain.")
        # Woken by the double, and now and then anyway: the condition may be about something else.
        with news:
            news.wait(min(left, 0.02))
    return value


class _ToTheDouble(TwilioHttpClient):
    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(timeout=timeout, max_retries=0)
        self._base = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, self._base + "/" + url.split("/", 3)[3], *args, **kwargs)


def _address(client: str) -> str:
    return client if is_whatsapp(client) else whatsapp_address(client)
