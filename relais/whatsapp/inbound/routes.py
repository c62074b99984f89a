"""The routes of all hooks, with the authentication of each, and the lifespan of the batchers behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from anyio import to_thread
from starlette.responses import Response
from starlette.routing import Route

from relais.whatsapp import metrics
from relais.whatsapp.inbound import handlers, studio_hooks
from relais.whatsapp.inbound.authentication import (
    Authentication,
    AuthenticationState,
    SignatureAuthentication,
    SignatureOrSecretAuthentication,
    TokenAuthentication,
)
from relais.whatsapp.inbound.batch_connection import BatchConnection
from relais.whatsapp.inbound.batcher import Batcher
from relais.whatsapp.inbound.hooks import PROGRAM_THREADS, BatchedHook, Hook, UnbatchedHook
from relais.whatsapp.inbound.params import Params
from relais.whatsapp.inbound.raw_request import RawRequest

Item = TypeVar("Item")
Result = TypeVar("Result")


class HookRoutes:
    """The hooks of one web process. Without batching each call has a transaction of its own, for benchmarks."""

    def __init__(self, *, batching: bool = True) -> None:
        self.messages = Batcher(
            handlers.store_messages,
            resource=BatchConnection(),
            on_batch=partial(metrics.record_batch, "messages"),
        )
        self.statuses = Batcher(
            handlers.apply_statuses,
            resource=BatchConnection(),
            on_batch=partial(metrics.record_batch, "statuses"),
        )
        self.authentication = AuthenticationState()
        hook = BatchedHook if batching else _unbatched
        signed = SignatureAuthentication(self.authentication)
        from_studio = SignatureOrSecretAuthentication(self.authentication)
        by_token = TokenAuthentication(self.authentication)
        self.hooks: tuple[Hook, ...] = (
            hook(
                "/api/twilio/message",
                signed,
                handlers.parse_message_for_embedded_bot,
                self.messages,
                handlers.empty_twiml,
            ),
            hook("/api/twilio/status", signed, handlers.parse_status, self.statuses, handlers.no_content),
            hook(
                "/api/twilio/incoming",
                from_studio,
                handlers.parse_message_for_studio,
                self.messages,
                handlers.incoming_response,
            ),
            *(
                UnbatchedHook(path, from_studio, handlers.studio_handler(handle))
                for path, handle in studio_hooks.HANDLERS.items()
            ),
            UnbatchedHook("/api/twilio/send-message", by_token, handlers.send_message, PROGRAM_THREADS),
        )
        self.routes = [Route(hook.path, hook) for hook in self.hooks]

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await to_thread.run_sync(self.close)

    def close(self) -> None:
        """Graceful shutdown: process what is queued, reject later calls. Called when all have been answered."""
        batchers = (self.messages, self.statuses)
        for batcher in batchers:
            batcher.close()
        for batcher in batchers:
            batcher.stop(timeout_seconds=1)


def _unbatched(
    path: str,
    authentication: Authentication,
    parse: Callable[[Params, RawRequest], Item],
    batcher: Batcher[Item, Result],
    to_response: Callable[[Result, Item], Response],
) -> Hook:
    """The same hook with one transaction per call."""

    def handle(params: Params, raw: RawRequest) -> Response:
        item = parse(params, raw)
        return to_response(batcher.process([item])[0], item)

    return UnbatchedHook(path, authentication, handle)
