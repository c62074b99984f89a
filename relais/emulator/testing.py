"""The double for tests: on a free port in its own thread, with the verbs that a test needs.

with running_double(webhook=f"{desk.url}/api/twilio/message") as double:
    double.client_writes("+212612345678", "bonjour", name="Fatou")
    [message] = double.wait_for(lambda: double.accepted(to="whatsapp:+212612345678"))
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

from relais.demo_accounts import DEMO_NUMBER
from relais.emulator.addresses import is_whatsapp, whatsapp_address
from relais.emulator.app import build_app
from relais.emulator.content import Content
from relais.emulator.dealer_templates import DEALER_TEMPLATES, ContentExample
from relais.emulator.faults import FaultRule
from relais.emulator.messages import Message
from relais.emulator.settings import DoubleSettings
from relais.emulator.twilio_double import TwilioDouble

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "f" * 32
TIMEOUT_SECONDS = 30.0

T = TypeVar("T")


class ServerThread:
    """An ASGI application under uvicorn on a free port of 127.0.0.1, in a thread with its own event loop."""

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
        """Start listening, after `stop_listening` on the same port."""
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

    def stop_listening(self) -> None:
        """New connections are refused."""
        self._server.should_exit = True
        self._serving.result(TIMEOUT_SECONDS)

    def on_loop(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop at once: uvicorn's own shutdown waits for idle connections, in every test."""
        asyncio.run_coroutine_threadsafe(self._abort_everything(), self.loop).result(TIMEOUT_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT_SECONDS)

    async def _abort_everything(self) -> None:
        for server in self._server.servers:
            server.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        if requests := list(self._server.server_state.tasks):
            await asyncio.wait(requests, timeout=0.1)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


class RunningDouble:
    """The double as tests use it. Thread-safe."""

    def __init__(self, settings: DoubleSettings, faults: Iterable[FaultRule | dict[str, Any]] = ()) -> None:
        self.double = TwilioDouble(settings, faults)
        self._changed = threading.Condition()
        self.double.changes.listeners.append(self._notify_changed)
        self._server = ServerThread(build_app(self.double))

    @property
    def url(self) -> str:
        """The value for TWILIO_API_BASE_URL."""
        return self._server.url

    @property
    def settings(self) -> DoubleSettings:
        """May be changed while it runs."""
        return self.double.settings

    # Clients.

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
        """A client's message. `media`: content, content type, file name; `disposition`: the whole header instead of the
        name. Waits for the desk's response to the last attempt."""
        address = _address(client)

        def write() -> Message:
            now = self.double.clock.now()
            stored = self.double.media.put(*media, now, disposition=disposition) if media else None
            return self.double.receive(address, text, sender=to, profile_name=name, media=stored, extra=extra)

        message = self._on_loop(write)
        if wait:
            self.wait_for(
                lambda: message.handed_over is not None, what="the desk to answer the client's message"
            )
        return message

    def add_client(self, name: str, client: str) -> None:
        """This client has a phone in the simulator, and a profile name."""
        self._on_loop(lambda: self.double.clients.add(name, client))

    def texts_on_phone(self, client: str) -> list[str]:
        """The company's texts on this client's phone, oldest first."""
        return [each.shown_text for each in self._messages(client) if not each.inbound and each.is_on_phone]

    def sees_typing(self, client: str) -> bool:
        """Whether this client's phone shows that the company writes."""
        return _address(client) in self._on_loop(self.double.typing_seconds)

    def client_reads(self, client: str) -> None:
        sids = [each.sid for each in self._messages(client)]
        self._on_loop(lambda: self.double.mark_read(sids))

    # Twilio's log.

    def accepted(self, *, to: str = "", body: str = "", ref: str = "") -> list[Message]:
        """Every message accepted from the desk, oldest first; the arguments filter by equality."""
        filters = {"to": _address(to) if to else "", "body": body, "ref": ref}
        messages = self._on_loop(lambda: list(self.double.messages.oldest_first()))
        return [
            each
            for each in messages
            if not each.inbound and all(v in ("", getattr(each, k)) for k, v in filters.items())
        ]

    def requests(self, operation: str) -> int:
        """Number of `create`, `list`, `fetch`, `media`, `typing` or `execution` calls."""
        return self.double.requests.get(operation, 0)

    def start_execution(self, flow: str, client: str, sid: str = "") -> str:
        address, account = _address(client), self.settings.account_sid
        now = self.double.clock.now()
        return self._on_loop(lambda: self.double.executions.start(account, flow, address, now, sid)).sid

    def execution_status(self, flow: str, sid: str) -> str:
        execution = self._on_loop(lambda: self.double.executions.get(flow, sid))
        return execution.status if execution else ""

    # Content.

    def add_content(
        self, content: ContentExample, *, status: str = "", sid: str = "", rejection_reason: str = ""
    ) -> str:
        """A template of the account; `status` replaces WhatsApp's answer to it. Returns its SID."""
        return self._on_loop(
            lambda: self.double.add_content_example(
                content, status=status, sid=sid, rejection_reason=rejection_reason
            )
        ).sid

    def add_dealer_templates(self) -> dict[str, str]:
        """The dealer's templates of the demo. Returns their SIDs by name."""
        return {each.name: self.add_content(each) for each in DEALER_TEMPLATES}

    def contents(self) -> list[Content]:
        """Every content, newest first, also those created through the API."""
        return self._on_loop(lambda: list(self.double.contents.newest_first()))

    # Faults and time.

    def fault(self, on: str, fault: str, **rule: Any) -> FaultRule:
        """`double.fault("create", "no_answer", times=1, match={"body": "bonjour"})`; see faults.FaultRule."""
        return self._on_loop(lambda: self.double.faults.add(FaultRule(on=on, fault=fault, **rule)))

    def clear_faults(self) -> None:
        self._on_loop(self.double.faults.clear)

    def advance(self, seconds: float) -> None:
        self.double.clock.advance(seconds)

    def open_window(self, client: str, sender: str = "") -> None:
        """Open the session window, as if this client had just written."""
        address, now = _address(client), self.double.clock.now()
        to = sender or self.settings.default_sender()
        self._on_loop(lambda: self.double.windows.open(address, to, now))

    def forget_messages(self) -> None:
        """Like a restart: messages and windows are gone; clients, settings and faults stay."""
        self._on_loop(self.double.forget_messages)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Twilio cannot be reached; messages it has accepted are still processed."""
        self._server.stop_listening()
        try:
            yield
        finally:
            self._server.listen()

    # Waiting, and the SDK.

    def wait_for(self, condition: Callable[[], T], timeout: float = TIMEOUT_SECONDS, what: str = "") -> T:
        """The condition's value once it is true. It may read the double, the database or anything else."""
        return wait_for(condition, timeout, what, self._changed)

    def wait_until_idle(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Until every callback is posted and every client's message delivered."""
        self.wait_for(lambda: self.double.is_idle, timeout, "the double to be idle")

    def sdk(self, timeout: float = 5) -> Client:
        """Twilio's SDK, connected to the double."""
        http = _DoubleHttpClient(self.url, timeout)
        return Client(self.settings.account_sid, self.settings.auth_token, http_client=http)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.double.stop(), self._server.loop).result(TIMEOUT_SECONDS)
        self._server.stop()

    def _messages(self, client: str) -> list[Message]:
        address = _address(client)
        messages = self._on_loop(lambda: list(self.double.messages.oldest_first()))
        return [each for each in messages if each.client == address]

    def _notify_changed(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_loop(self, function: Callable[[], T]) -> T:
        return self._server.on_loop(function)


@contextmanager
def running_double(
    *,
    account_sid: str = ACCOUNT_SID,
    auth_token: str = AUTH_TOKEN,
    sender: str = DEMO_NUMBER,
    webhook: str | None = None,
    faults: Iterable[FaultRule | dict[str, Any]] = (),
    **settings: Any,
) -> Iterator[RunningDouble]:
    """`webhook` is the whole URL with its fragment; further settings are those of DoubleSettings."""
    quick = {"sent_after_ms": 1, "delivered_after_ms": 1, "retry_pause_ms": 5, **settings}
    double_settings = DoubleSettings(
        account_sid=account_sid, auth_token=auth_token, senders={sender: webhook}, **quick
    )
    double = RunningDouble(double_settings, faults)
    try:
        yield double
    finally:
        double.stop()


def wait_for(
    condition: Callable[[], T],
    timeout: float = TIMEOUT_SECONDS,
    what: str = "",
    changed: threading.Condition | None = None,
) -> T:
    deadline = time.monotonic() + timeout
    changed = changed or threading.Condition()
    while not (value := condition()):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"Waited {timeout:g} s for {what or 'a condition'} in vain.")
        # Woken by the double, and by a timeout: the condition may be about something else.
        with changed:
            changed.wait(min(left, 0.02))
    return value


class _DoubleHttpClient(TwilioHttpClient):
    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(timeout=timeout, max_retries=0)
        self._base_url = url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, self._base_url + "/" + url.split("/", 3)[3], *args, **kwargs)


def _address(client: str) -> str:
    return client if is_whatsapp(client) else whatsapp_address(client)
