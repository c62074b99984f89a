"""Performs the effects of a flow in a client's conversation, within the runner's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from relais.action_errors import ActionRefused
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.conversations.outbound_templates import Template
from relais.flows import engine, local_functions, local_hooks, metrics, other_recipients
from relais.flows.engine_host import EffectHandler
from relais.flows.execution_path import extended, states_of
from relais.flows.models import Execution


class ConversationEffects(EffectHandler):
    """Sends, asks and records by the verbs of the conversation; a request to a foreign host is only stored."""

    def __init__(self, conversation: Conversation, execution: Execution, at: datetime) -> None:
        self.conversation = conversation
        self.execution = execution
        self.at = at

    def step_done(self, state: engine.State, effects: Sequence[engine.Effect]) -> None:
        current = state["frames"][0]["widget"] if state["frames"] else ""
        self.execution.path = extended(self.execution.path, [*states_of(effects), current])

    def send_message(self, effect: engine.SendMessage) -> engine.SendResult | None:
        self.execution.question = None
        ref = f"{self.execution.sid}-{effect.ref}"
        template = _template(effect)
        if not effect.is_to_client:
            return other_recipients.send(self.conversation, effect, template=template, ref=ref, at=self.at)
        try:
            self.execution.question = self.conversation.send_as_program(
                effect.body,
                by=BOT,
                at=self.at,
                ref=ref,
                media_url=effect.media_url,
                template=template,
            )
        except ActionRefused as refusal:
            return other_recipients.refuse(self.conversation, effect, refusal, template=template, at=self.at)
        return None

    def make_request(
        self, effect: engine.MakeHttpRequest | engine.RunFunction
    ) -> engine.RequestResult | None:
        """Answer local functions and hooks at once; for any other host, store the request for later."""
        request = effect.as_request()
        if isinstance(effect, engine.RunFunction) and (
            function := local_functions.find(effect.url, effect.function_sid)
        ):
            return local_functions.call(function, effect)
        if local_hooks.is_local_hook(request.url):
            return local_hooks.call(request, ref=effect.ref, event=self.execution.about, at=self.at)
        self.execution.pending = asdict(request) | {"ref": effect.ref}
        return None

    def ask_for_agent(self, effect: engine.AskForAgent) -> None:
        reason = str(effect.attributes.get("reason") or "")
        self.conversation.ask_for_agent(by=BOT, at=self.at, reason=reason, attributes=effect.attributes)

    def record_warning(self, effect: engine.RecordWarning) -> None:
        metrics.ERRORS.inc()
        self.conversation.append_event(
            "error", by=BOT, at=self.at, body=effect.message, metadata={"state": effect.widget}
        )

    def end_execution(self, effect: engine.EndExecution) -> None:
        self.execution.end_reason = effect.reason


def _template(effect: engine.SendMessage) -> Template | None:
    return Template(effect.content_sid, dict(effect.content_variables)) if effect.content_sid else None
