"""Calls of hooks as Twilio makes them: signed requests to the real routes, alone or concurrently."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection
from starlette.applications import Starlette
from twilio.request_validator import RequestValidator

from relais.emulator.testing import RunningDouble, ServerThread, running_double
from relais.live.pool import conninfo
from relais.whatsapp import client
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.inbound.routes import HookRoutes
from relais.whatsapp.outbound.send_attempt import send_delivery, store_outcome
from relais.whatsapp.outbound.sender import Sender
from tests.cast import FATOU, OUR_NUMBER, new_sid

STUDIO_FLOW_SID = "FW" + "1" * 32
STUDIO_CREDENTIALS = {"Authorization": "Basic " + base64.b64encode(b"studio:studio-secret").decode()}


class Twilio:
    """Calls a hook as Twilio would; `token` and `base` may be wrong on purpose."""

    def __init__(self, desk: str) -> None:
        self.desk = desk
        self.http = requests.Session()
        self.token = settings.ENVIRONMENT.twilio_auth_token
        self.base = settings.PUBLIC_BASE_URL

    def call(
        self, path: str, params: Any = (), *, headers: dict[str, str] | None = None, signed: bool = True
    ) -> Any:
        pairs = [(k, str(v)) for k, v in (params.items() if isinstance(params, dict) else params)]
        body = urlencode(pairs).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"} | (headers or {})
        if signed:
            sent["X-Twilio-Signature"] = self.signature(path, pairs)
        return self.post(path, body, sent)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
        return self.http.post(self.desk + path, data=body, headers=headers, timeout=30)

    def signature(self, path: str, pairs: list[tuple[str, str]]) -> str:
        return RequestValidator(self.token).compute_signature(self.base + path, Multi(pairs))


class Multi(dict):
    """Repeated parameters the way the SDK wants to be handed them."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


@contextmanager
def serve_hooks(hook_routes: HookRoutes) -> Iterator[str]:
    """The project's own routes on a free port; signatures are made for the public address all the same."""
    server = ServerThread(Starlette(routes=hook_routes.routes))
    try:
        yield server.url
    finally:
        server.stop()
        hook_routes.close()


@pytest.fixture(scope="session")
def hook_routes() -> HookRoutes:
    return HookRoutes()


@pytest.fixture(scope="session")
def desk(hook_routes: HookRoutes) -> Iterator[str]:
    with serve_hooks(hook_routes) as url:
        yield url


@pytest.fixture
def twilio(desk: str, hook_routes: HookRoutes) -> Iterator[Twilio]:
    twilio = Twilio(desk)
    yield twilio
    twilio.http.close()
    hook_routes.authentication.reset()


@pytest.fixture
def call_concurrently(desk: str) -> Any:
    """Makes all calls at the same time, each on a connection of its own; returns their responses in order."""

    def calls(messages: Any, path: Any = "/api/twilio/message") -> list[requests.Response]:
        paths = [path] * len(messages) if isinstance(path, str) else path
        with ThreadPoolExecutor(len(messages)) as callers:
            return list(callers.map(lambda *call: Twilio(desk).call(*call), paths, messages))

    return calls


@pytest.fixture
def other_session(db: None) -> Iterator[Any]:
    """A database session beside those of the application."""
    with psycopg.connect(conninfo(), autocommit=True) as session:
        yield session


@contextmanager
def holding_lock(session: Any, statement: str) -> Iterator[None]:
    """The session holds the lock that the statement takes, for as long as the block lasts."""
    with session.transaction():
        session.execute(statement)
        yield


def message_params(text: str = "Bonjour", **more: str) -> dict[str, str]:
    """The parameters of a WhatsApp message, as they really arrive."""
    sid = more.pop("MessageSid", "") or new_sid()
    return {
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ProfileName": "Fatou 🌸",
        "MessageType": "text",
        "SmsSid": sid,
        "WaId": FATOU.removeprefix("whatsapp:+"),
        "SmsStatus": "received",
        "Body": text,
        "To": OUR_NUMBER,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": sid,
        "AccountSid": settings.ENVIRONMENT.twilio_account_sid,
        "From": FATOU,
        "ApiVersion": "2010-04-01",
    } | more


@pytest.fixture
def fatou_sends(twilio: Twilio, db: None) -> Any:
    def sends(text: str = "Bonjour", *, path: str = "/api/twilio/message", **more: str) -> Any:
        return twilio.call(path, message_params(text, **more))

    return sends


@pytest.fixture
def double(settings: Any) -> Iterator[RunningDouble]:
    """Twilio's double, calling the project's own routes, and the project calling it.

    With hook routes of their own, closed after the test: no batch may run while the tables are emptied.
    """
    environment = settings.ENVIRONMENT
    with (
        serve_hooks(HookRoutes()) as desk,
        running_double(
            account_sid=environment.twilio_account_sid,
            auth_token=environment.twilio_auth_token,
            sender=environment.whatsapp_number,
            webhook=f"{environment.public_base_url}/api/twilio/message#rc=3&rp=5xx,ct,rt",
            reach={environment.public_base_url: desk},
        ) as double,
    ):
        settings.ENVIRONMENT = replace(environment, twilio_api_base_url=double.url)
        client.twilio.cache_clear()
        yield double
    client.twilio.cache_clear()


@pytest.fixture
def sender(double: RunningDouble) -> Iterator[Sender]:
    """A running sender; a test that needs a second one uses `running_sender`."""
    with running_sender() as sender:
        yield sender


@contextmanager
def running_sender() -> Iterator[Sender]:
    sender = Sender()
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield sender
    finally:
        sender.stop()
        thread.join()


def claim_and_send(delivery_id: int, *, by: str) -> None:
    """Send one delivery if it can be claimed, without a running sender."""
    from relais.conversations.models import MessageDelivery

    clock = SharedClock()
    delivery = MessageDelivery.objects.select_related("event", "conversation__address").get(pk=delivery_id)
    if delivery.claim(by=by, at=clock.now()):
        store_outcome(delivery, send_delivery(delivery), clock)


def scheduled_times(task: str, **args: Any) -> list[Any]:
    """When each queued job of that task with those arguments is to run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select scheduled_at from procrastinate_jobs where task_name = %s and args = %s::jsonb",
            [f"relais.whatsapp.tasks.{task}", json.dumps(args)],
        )
        return [at for (at,) in cursor.fetchall()]


@pytest.fixture
def studio_bot(settings: Any) -> None:
    """The bot runs in a Studio flow at Twilio."""
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, bot="studio", studio_flow_sid=STUDIO_FLOW_SID)
