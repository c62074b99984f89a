"""A double of a push service, a browser's keys, and the jobs that notify, run by the test."""

from __future__ import annotations

import os
from types import SimpleNamespace

import http_ece
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from relais.emulator.testing import ServerThread
from relais.notifications import push_client, tasks
from relais.notifications.models import PushSubscription
from relais.notifications.web_push import from_base64url, to_base64url

TASKS = {task.name: task for task in (tasks.notify, tasks.push, tasks.push_test)}


class BrowserDouble:
    """The keys that a browser makes for a subscription; it decrypts what is pushed to it."""

    def __init__(self):
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)

    def subscription(self, endpoint):
        point = self.private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return {
            "endpoint": endpoint,
            "expirationTime": None,
            "keys": {"p256dh": to_base64url(point), "auth": to_base64url(self.auth)},
        }

    def decrypt(self, body):
        return http_ece.decrypt(
            body, private_key=self.private_key, auth_secret=self.auth, version="aes128gcm"
        )


class PushServiceDouble:
    """Keeps what it is sent, and answers `status`. Checks the sender's token as push services do."""

    def __init__(self):
        self.received = []
        self.status, self.headers = 201, {}
        self.server = ServerThread(
            Starlette(routes=[Route("/push/{id}", self.take, methods=["GET", "POST"])])
        )
        self.url = self.server.url

    async def take(self, request):
        token, key = (
            part.partition("=")[2]
            for part in request.headers["authorization"].removeprefix("vapid ").split(", ")
        )
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(key))
        claims = jwt.decode(token, public_key, algorithms=["ES256"], audience=self.url)
        self.received.append(
            SimpleNamespace(
                body=await request.body(),
                headers=request.headers,
                claims=claims,
                key=key,
                path=request.url.path,
            )
        )
        return Response(status_code=self.status, headers=self.headers)


@pytest.fixture
def browser_double():
    return BrowserDouble()


@pytest.fixture
def push_service(monkeypatch):
    double = PushServiceDouble()
    monkeypatch.setattr(push_client, "ALLOWED_HOSTS", frozenset({"127.0.0.1"}))
    yield double
    double.server.stop()


@pytest.fixture
def subscribe(push_service, browser_double):
    """A function that signs a user in and subscribes his browser. Returns the subscription."""

    def subscribe_user(user, endpoint="/push/awa"):
        client = Client()
        client.force_login(user)
        fields = browser_double.subscription(push_service.url + endpoint)
        response = client.post("/dashboard/push", fields, content_type="application/json")
        assert response.status_code == 201, response.content
        return PushSubscription.objects.get(pk=response.json()["id"])

    return subscribe_user


def run_jobs():
    """Run the waiting jobs that notify, also those scheduled for later, until none is left. Returns their names."""
    ran = []
    while job := ProcrastinateJob.objects.filter(task_name__in=TASKS, status="todo").order_by("id").first():
        job_args, task = job.args, TASKS[job.task_name]
        ProcrastinateJob.objects.filter(pk=job.pk).delete()
        context = [SimpleNamespace(job=SimpleNamespace(attempts=0))] if task.pass_context else []
        task.func(*context, **job_args)
        ran.append(job.task_name.rpartition(".")[2])
    return ran


@pytest.fixture
def frames(monkeypatch):
    """The frames sent to open pages: (user ids, frame)."""
    from relais.notifications import send

    sent = []
    monkeypatch.setattr(
        send, "notify_users", lambda users, frame, unless_reading=None: sent.append((list(users), frame))
    )
    return sent


EVENTUALLY = """async () => {{
  for (let attempt = 0; attempt < 600; attempt += 1) {{
    const value = await ({expression})();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }}
  throw new Error("it did not happen in time");
}}"""


def eventually(page, expression):
    """The first true value of an asynchronous function: `wait_for_function` takes its promise for true."""
    return page.evaluate(EVENTUALLY.format(expression=expression))


def wait_for_service_worker(page):
    eventually(
        page,
        "async () => (await navigator.serviceWorker.ready) && navigator.serviceWorker.controller !== null",
    )


SHOWN = """async () => {
  const registration = await navigator.serviceWorker.ready;
  const shown = await registration.getNotifications();
  return shown.length && shown.map(({ title, body, tag, data }) => ({ title, body, tag, url: data.url }));
}"""


def shown_notifications(page):
    """What the service worker shows, once it shows something."""
    return eventually(page, SHOWN)
