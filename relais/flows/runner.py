"""Runs the bot in a client's conversation: steps the execution, stores its state, performs its effects.

All of it happens in one transaction under the conversation's lock. Only requests to foreign hosts are made outside,
between two transactions. The runner is idempotent: a repeated job finds nothing to do, or the same pending request, so
the client gets each message once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from relais.company import company_settings
from relais.conversations.events import BOT
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.states import Situation
from relais.flows import engine, engine_host, metrics
from relais.flows.conversation_effects import ConversationEffects
from relais.flows.models import Execution, ExecutionQuerySet, Flow
from relais.flows.outbound_request import OutboundRequest
from relais.flows.parsed_revisions import parsed_flow, subflows_of

LOG_PRECISION = timedelta(seconds=1)
"""Twilio's message log cuts times to the second."""
MAX_QUOTE_CHARACTERS = 80
FAILURE_REASON = "le bot n'a pas pu continuer"


class Fetch(Protocol):
    def __call__(self, request: OutboundRequest) -> engine.RequestResult: ...


def run(
    conversation_id: int, *, fetch: Fetch | None, clock: Callable[[], datetime] = timezone.now
) -> OutboundRequest | None:
    """Run the bot in this conversation as far as it can go now, through all messages of the client.

    Without `fetch`, stop at a request to a foreign host and return it.
    """
    while progress := _advance(conversation_id, at=clock()):
        if isinstance(progress, OutboundRequest):
            if fetch is None:
                return progress
            _apply_response(progress, fetch(progress), at=clock())
    return None


@transaction.atomic
def _advance(conversation_id: int, *, at: datetime) -> OutboundRequest | bool:
    """Take one step: a request to make, True if the execution moved, False if there is nothing left to do."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    execution = _active_executions(conversation).select_related("question").first()
    if execution is None:
        execution = _start_execution(conversation, at)
        return (_step(conversation, execution, [engine.Started()], at) or True) if execution else False
    if execution.pending:
        return _outbound_request(execution)
    event = _next_reply(conversation, execution, at)
    if event is not None:
        execution.consumed_seq, execution.about = event.seq, event
        inputs = [*_question_results(execution), engine.MessageReceived(webhook_params(event))]
        return _step(conversation, execution, inputs, at) or True
    if failure := _question_failure(execution):
        return _step(conversation, execution, [failure], at) or True
    if execution.due_at and execution.due_at <= at:
        return _step(conversation, execution, [engine.TimedOut()], at) or True
    execution.save(update_fields=["consumed_seq"])
    return False


@transaction.atomic
def _apply_response(request: OutboundRequest, result: engine.RequestResult, *, at: datetime) -> None:
    """Step with the response, unless a person took over meanwhile or another job was faster."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(executions=request.execution_id)
    execution = _active_executions(conversation).filter(pk=request.execution_id).first()
    if execution is None or not execution.pending or execution.pending["ref"] != request.ref:
        return
    execution.pending = None
    _step(conversation, execution, [result], at)


def _active_executions(conversation: Conversation) -> ExecutionQuerySet:
    """Without the definition of the flow: decoding its JSON costs more than a step, and the parsed flow is cached."""
    active: ExecutionQuerySet = conversation.executions.active()
    return active.select_related("revision__flow").defer("revision__definition")


@transaction.atomic
def fail_execution(conversation_id: int, *, at: datetime) -> None:
    """End the execution after its last retry, and ask for an agent.

    Also if it failed before the execution existed: the client's first message then waits for an agent.
    """
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    execution = conversation.executions.active().first()
    if execution is None and conversation.situation is not Situation.BOT:
        return
    metadata = {"execution": execution.sid, "state": (execution.path or [""])[-1]} if execution else {}
    conversation.append_event("error", by=BOT, at=at, metadata=metadata)
    if execution is not None:
        conversation.executions.filter(pk=execution.pk).update(
            ended_at=at, end_reason="failed", awaits_reply=False, due_at=None, pending=None
        )
        Conversation.objects.filter(pk=conversation_id).update(bot_waits_until=None)
    conversation.ask_for_agent(by=BOT, at=at, reason=FAILURE_REASON)


# -- the start of an execution ----------------------------------------------------------------------------


def _start_execution(conversation: Conversation, at: datetime) -> Execution | None:
    """Start the flow at the client's first message that no earlier execution has consumed."""
    if conversation.situation is not Situation.BOT:
        return None
    flow = Flow.objects.filter(answers=True).first()
    revision = flow.published if flow else None
    if flow is None or revision is None:
        return None
    release = conversation.events.filter(event_type="agent_release").order_by("-seq").first()
    consumed = conversation.executions.aggregate(last=Max("consumed_seq"))["last"] or 0
    since = max(consumed, release.seq if release else 0)
    messages = _inbound_messages(conversation, since=since)
    event = next((message for message in messages if not message.is_too_late_for_bot), None)
    if event is None:
        return None
    parsed = parsed_flow(revision)
    execution = Execution(
        conversation=conversation,
        revision=revision,
        consumed_seq=event.seq,
        about=event,
        started_at=at,
        subflows=Flow.published_revision_ids(parsed.subflows()),
        state={},
    )
    execution.state = engine.start(
        parsed,
        trigger=engine.Trigger.message(webhook_params(event), event=parsed.message_trigger_event),
        context=engine.ExecutionContext(
            execution_sid=execution.sid,
            flow_sid=flow.sid,
            contact=conversation.address.address,
            channel=conversation.sender,
            data=_handover_data(release) | {"brand": company_settings.brand()},
            zone=flow.zone or settings.TIME_ZONE,
        ),
        now=at,
    )
    execution.save()
    conversation.append_event(
        "flow_start", by=BOT, at=at, metadata={"flow": flow.name, "execution": execution.sid}
    )
    return execution


def _handover_data(release: ConversationEvent | None) -> dict[str, str]:
    """What `flow.data` says of the agent who handed the conversation back."""
    metadata = release.metadata if release else {}
    return {name: str(metadata[name]) for name in ("previous_agent", "reason") if metadata.get(name)}


# -- the next input ---------------------------------------------------------------------------------------


def _next_reply(conversation: Conversation, execution: Execution, at: datetime) -> ConversationEvent | None:
    """The client's next message, if it answers the question that the flow waits for.

    A message from before Twilio accepted the question is buffered for the next question. With the setting off it
    answers nothing, as at Twilio, and the history says so. While the question is being sent, the message is left for
    later.
    """
    buffers_early_replies = bool(company_settings.get_value(company_settings.BUFFER_EARLY_REPLIES))
    for event in _inbound_messages(conversation, since=execution.consumed_seq):
        if event.is_too_late_for_bot:
            execution.consumed_seq = event.seq
            continue
        if execution.awaits_reply and (buffers_early_replies or _is_after(event, execution.question)):
            return event
        if buffers_early_replies or (execution.awaits_reply and _is_being_sent(execution.question)):
            return None
        execution.consumed_seq = event.seq
        metadata = {"unread": event.seq, "text": event.body[:MAX_QUOTE_CHARACTERS]}
        conversation.append_event("note", by=BOT, at=at, metadata=metadata)
    return None


def _inbound_messages(conversation: Conversation, *, since: int) -> QuerySet[ConversationEvent]:
    return conversation.events.filter(event_type="message_received", seq__gt=since).order_by("seq")


def _is_after(event: ConversationEvent, question: MessageDelivery | None) -> bool:
    """Whether the client wrote after Twilio accepted the question."""
    if question is None:
        return True
    accepted_at = question.sent_at or question.delivered_at or question.read_at
    if accepted_at is None and question.state == "uncertain":
        accepted_at = question.claimed_at
    # A time from Twilio's log is cut to the second: within that second, the message is a reply.
    written_at = event.written_at + (LOG_PRECISION if "occurred_at" in event.metadata else timedelta())
    return accepted_at is not None and written_at >= accepted_at


def _is_being_sent(question: MessageDelivery | None) -> bool:
    return question is not None and question.state == "sending"


def _question_results(execution: Execution) -> list[engine.Input]:
    """The SID and state of the question that is being answered, for `widgets.NAME.outbound`."""
    question = execution.question
    if question is None or not question.sid:
        return []
    return [engine.SendResult(_question_ref(execution), sid=question.sid, status=str(question.state))]


def _question_failure(execution: Execution) -> engine.SendResult | None:
    """The result of a question that was not delivered."""
    question = execution.question
    if not execution.awaits_reply or question is None or question.state not in ("failed", "refused"):
        return None
    return engine.SendResult(
        _question_ref(execution),
        sid=question.sid or "",
        status="failed",
        error_code=str(question.error_code or question.reason or "failed"),
        error_message=question.error,
    )


def _question_ref(execution: Execution) -> int:
    waiting = execution.state.get("waiting") or {}
    return int(waiting.get("ref", 0))


# -- one step ---------------------------------------------------------------------------------------------


@metrics.observe_step()
def _step(
    conversation: Conversation, execution: Execution, inputs: Sequence[engine.Input], at: datetime
) -> OutboundRequest | None:
    """Step with the inputs, and with the results that local hooks or a refused message give at once; save."""
    state = engine_host.run_until_waiting(
        parsed_flow(execution.revision),
        execution.state,
        inputs,
        ConversationEffects(conversation, execution, at),
        now=at,
        subflows=subflows_of(execution),
    )
    return _save(conversation, execution, state, at)


def _save(
    conversation: Conversation, execution: Execution, state: engine.State, at: datetime
) -> OutboundRequest | None:
    conversation.refresh_from_db()
    is_over = state["ended"] is not None or not conversation.is_open
    execution.state = state
    execution.awaits_reply = not is_over and engine.waits_for_reply(state)
    execution.due_at = None if is_over else engine.due_at(state)
    execution.ended_at = at if is_over else None
    if is_over:
        execution.pending = None
        execution.end_reason = execution.end_reason or state["ended"] or "completed"
    execution.save()
    until = execution.due_at if execution.awaits_reply else None
    Conversation.objects.filter(pk=conversation.pk).update(bot_waits_until=until)
    return _outbound_request(execution) if execution.pending else None


def _outbound_request(execution: Execution) -> OutboundRequest:
    pending: dict[str, Any] = dict(execution.pending or {})
    ref = int(pending.pop("ref"))
    return OutboundRequest(execution_id=execution.pk, ref=ref, key=f"{execution.sid}-{ref}", **pending)


def webhook_params(event: ConversationEvent) -> dict[str, str]:
    """The parameters of Twilio's webhook for this message, rebuilt from where its parts are stored."""
    conversation = event.conversation
    media = list(event.media.all())
    params = dict(event.metadata.get("parameters", {}))
    params |= {
        "MessageSid": event.message_sid or "",
        "SmsSid": event.message_sid or "",
        "From": conversation.address.address,
        "To": conversation.sender,
        "Body": event.body,
        "ProfileName": event.author_name,
        "NumMedia": str(len(media)),
    }
    for item in media:
        params |= {
            f"MediaUrl{item.position}": item.url,
            f"MediaContentType{item.position}": item.declared_type,
        }
    return params
