"""The request pipeline of a hook. It checks, in this order: method, size, number of fields, credentials, parameters.

Nothing is acknowledged before it is committed; what cannot be stored is answered with 503, and Twilio retries.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from django.utils.translation import gettext as _
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from relais.db_connection import releasing_connection
from relais.http_server.request_body import read_body
from relais.whatsapp import connection_status, metrics
from relais.whatsapp.inbound.authentication import Authentication, NotAuthenticated, is_doctor_probe
from relais.whatsapp.inbound.batcher import Batcher
from relais.whatsapp.inbound.hook_errors import HookError, errors_as_hook_errors
from relais.whatsapp.inbound.params import Params, parse_params
from relais.whatsapp.inbound.raw_request import MAX_BODY_BYTES, RawRequest, declared_size, read_head

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_FORM_FIELDS = 500
"""Twilio sends fewer than a hundred; each one costs time before the caller is authenticated."""
CALL_TIMEOUT_SECONDS = 10.0
"""Twilio waits 15 seconds for a response."""
# Bounded, so that a flood of hooks never takes all database connections. Programs have threads of their own, so that
# they never delay Studio.
STUDIO_THREADS = CapacityLimiter(4)
PROGRAM_THREADS = CapacityLimiter(2)


@dataclass(frozen=True)
class Hook(ABC):
    path: str
    authentication: Authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = time.perf_counter()
        response = await self._response(Request(scope, receive))
        metrics.record_hook_response(self.path, response.status_code, time.perf_counter() - started_at)
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        try:
            if request.method != "POST":
                raise HookError(405, _("Seul POST est entendu ici."))
            with errors_as_hook_errors(self.path):
                return await self.handle(await self._authenticated(request))
        except HookError as error:
            return error.response()
        except ClientDisconnect:
            return Response(status_code=400)

    async def _authenticated(self, request: Request) -> RawRequest:
        """The whole request, once its caller is known."""
        host = request.client.host if request.client else ""
        size, head = declared_size(request), read_head(request)
        # A body without a declared size is read in any case: if it is too large, 413 comes before 403.
        if size is not None and self.authentication.is_rejected_unread(head, host):
            raise self._rejected(head, host, NotAuthenticated(), reason="unread")
        raw = replace(head, body=await read_body(request, max_bytes=MAX_BODY_BYTES))
        if raw.field_count > MAX_FORM_FIELDS:
            metrics.count_rejected_call(self.path, "fields")
            raise HookError(
                413, _("Le formulaire compte plus de %(most)s champs.") % {"most": MAX_FORM_FIELDS}
            )
        try:
            await self.authentication.check(raw, host)
        except NotAuthenticated as error:
            raise self._rejected(raw, host, error) from None
        return raw

    def _rejected(
        self, raw: RawRequest, host: str, error: NotAuthenticated, *, reason: str = ""
    ) -> HookError:
        if not is_doctor_probe(raw):
            connection_status.record_rejected_signature(self.path)
            self.authentication.state.rejected_calls.record_failure(host)
            metrics.count_rejected_call(
                self.path, reason or ("guesses" if error.is_throttled else "credentials")
            )
        return HookError(error.status, error.sentence)

    @abstractmethod
    async def handle(self, raw: RawRequest) -> Response:
        """`raw` is authenticated."""


@dataclass(frozen=True)
class UnbatchedHook(Hook):
    """Each call runs in a thread of its own, in a transaction of its own."""

    handler: Callable[[Params, RawRequest], Response]
    threads: CapacityLimiter = STUDIO_THREADS

    async def handle(self, raw: RawRequest) -> Response:
        with fail_after(CALL_TIMEOUT_SECONDS):
            # A thread that hangs is abandoned: it ends with its connection, and there are few of them.
            return await to_thread.run_sync(self._handle, raw, limiter=self.threads, abandon_on_cancel=True)

    def _handle(self, raw: RawRequest) -> Response:
        # Errors are mapped here already: after the timeout nobody awaits this thread, and they must still be logged.
        with releasing_connection(), errors_as_hook_errors(self.path):
            return self.handler(parse_params(raw), raw)


@dataclass(frozen=True)
class BatchedHook(Hook, Generic[Item, Result]):
    """Parsed at once, processed together with what else has arrived, answered after the commit."""

    parse: Callable[[Params, RawRequest], Item]
    batcher: Batcher[Item, Result]
    to_response: Callable[[Result, Item], Response]

    async def handle(self, raw: RawRequest) -> Response:
        item = self.parse(parse_params(raw), raw)
        return self.to_response(await self.batcher.submit(item), item)
