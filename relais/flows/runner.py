"""Runs the bot: takes an execution on by steps of the engine, stores what it came to, carries the effects out.

All in one transaction under the conversation's lock; only requests to foreign hosts are made outside, between two.
A repeated job finds nothing to do, or the same request under way: what is said to the client is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from relais.company import company_settings
from relais.conversations.events import BOT
from relais.conversations.lifecycle import Refusal, Situation
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.outbound import Template
from relais.flows import engine, local_functions, local_hooks, metrics, other_recipients
from relais.flows.models import Execution, Flow, Revision

A_SECOND = timedelta(seconds=1)
LONGEST_PATH = 500
LONGEST_QUOTE = 80
FAILED = "le bot n'a pas pu continuer"


@dataclass(frozen=True)
class Errand:
    """A request to a foreign host, made between two transactions; at least once, by the same key each time."""

    execution_id: int
    ref: int
    key: str
    method: str
    url: str
    content_type: str
    body: str
    authentication: str = ""
    follow_redirects: bool = True


class Fetch(Protocol):
    def __call__(self, errand: Errand) -> engine.Answered: ...


def run(
    conversation_id: int, *, fetch: Fetch | None, clock: Callable[[], datetime] = timezone.now
) -> Errand | None:
    """Take the bot in this conversation as far as it can go now, through all the client has written.

    Without `fetch` it stops at a request to a foreign host, and returns it.
    """
    while came := _advance(conversation_id, at=clock()):
        if isinstance(came, Errand):
            if fetch is None:
                return came
            _hear(came, fetch(came), at=clock())
    return None


@transaction.atomic
def _advance(conversation_id: int, *, at: datetime) -> Errand | bool:
    """One step: a request to make, or whether it moved on; False when there is nothing (more) to do."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    execution = conversation.executions.active().select_related("revision__flow", "question").first()
    if execution is None:
        execution = _begin(conversation, at)
        return (_take_on(conversation, execution, [engine.Started()], at) or True) if execution else False
    if execution.pending:
        return _errand(execution)
    event = _next_word(conversation, execution, at)
    if event is not None:
        execution.consumed_seq, execution.about = event.seq, event
        inputs = [*_delivered_question(execution), engine.MessageArrived(webhook_of(event))]
        return _take_on(conversation, execution, inputs, at) or True
    if failed := _undelivered_question(execution):
        return _take_on(conversation, execution, [failed], at) or True
    if execution.due_at and execution.due_at <= at:
        return _take_on(conversation, execution, [engine.TimedOut()], at) or True
    execution.save(update_fields=["consumed_seq"])
    return False


@transaction.atomic
def _hear(errand: Errand, answer: engine.Answered, *, at: datetime) -> None:
    """Unless a person took over meanwhile, or another job was faster: then the answer has nobody to listen."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(executions=errand.execution_id)
    execution = (
        conversation.executions.active()
        .select_related("revision__flow")
        .filter(pk=errand.execution_id)
        .first()
    )
    if execution is None or not execution.pending or execution.pending["ref"] != errand.ref:
        return
    execution.pending = None
    _take_on(conversation, execution, [answer], at)


@transaction.atomic
def give_up(conversation_id: int, *, at: datetime) -> None:
    """The bot failed again and again on the same step: its execution ends, and a person is asked for.

    Also when it failed before there was an execution: the client's first word then waits for a person.
    """
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation_id)
    execution = conversation.executions.active().first()
    if execution is None and conversation.situation is not Situation.BOT:
        return
    told = {"execution": execution.sid, "state": (execution.path or [""])[-1]} if execution else {}
    conversation.append("error", by=BOT, at=at, metadata=told)
    if execution is not None:
        conversation.executions.filter(pk=execution.pk).update(
            ended_at=at, end_reason="failed", awaits_reply=False, due_at=None, pending=None
        )
        Conversation.objects.filter(pk=conversation_id).update(bot_waits_until=None)
    conversation.ask_for_agent(by=BOT, at=at, reason=FAILED)


# -- beginning, and what comes next ------------------------------------------------------------------


def _begin(conversation: Conversation, at: datetime) -> Execution | None:
    """The flow starts at the client's first word that no earlier run has looked at."""
    if conversation.situation is not Situation.BOT:
        return None
    flow = Flow.objects.filter(answers=True).first()
    revision = flow.published if flow else None
    if flow is None or revision is None:
        return None
    handed_back = conversation.events.filter(event_type="agent_release").order_by("-seq").first()
    consumed = conversation.executions.aggregate(last=Max("consumed_seq"))["last"] or 0
    since = max(consumed, handed_back.seq if handed_back else 0)
    new = _written(conversation, since=since)
    event = next((each for each in new if not each.came_too_late), None)
    if event is None:
        return None
    execution = Execution(
        conversation=conversation,
        revision=revision,
        consumed_seq=event.seq,
        about=event,
        started_at=at,
        subflows=Flow.published_as(parsed(revision).subflows()),
        state={},
    )
    execution.state = engine.start(
        parsed(revision),
        trigger=engine.Trigger.message(webhook_of(event), event=parsed(revision).message_start),
        context=engine.Context(
            execution_sid=execution.sid,
            flow_sid=flow.sid,
            contact=conversation.address.address,
            channel=conversation.sender,
            data=_handed_over(handed_back) | {"brand": company_settings.brand()},
            zone=flow.zone or settings.TIME_ZONE,
        ),
        now=at,
    )
    execution.save()
    conversation.append("flow_start", by=BOT, at=at, metadata={"flow": flow.name, "execution": execution.sid})
    return execution


def _handed_over(release: ConversationEvent | None) -> dict[str, str]:
    told = release.metadata if release else {}
    return {name: str(told[name]) for name in ("previous_agent", "reason") if told.get(name)}


def _next_word(conversation: Conversation, execution: Execution, at: datetime) -> ConversationEvent | None:
    """The client's next message, if it answers what the flow waits for.

    What came before the question was accepted is kept for the next question. With the setting off it is as at
    Twilio: it answers nothing, and the history says so. While nobody knows whether it was, it is left for later.
    """
    new = _written(conversation, since=execution.consumed_seq)
    keeps = bool(company_settings.get_value(company_settings.BUFFER_EARLY_REPLIES))
    for event in new:
        if event.came_too_late:
            execution.consumed_seq = event.seq
            continue
        if execution.awaits_reply and (keeps or _came_after(event, execution.question)):
            return event
        if keeps or (execution.awaits_reply and _is_leaving(execution.question)):
            return None
        execution.consumed_seq = event.seq
        unread = {"unread": event.seq, "text": event.body[:LONGEST_QUOTE]}
        conversation.append("note", by=BOT, at=at, metadata=unread)
    return None


def _written(conversation: Conversation, *, since: int) -> QuerySet[ConversationEvent]:
    return conversation.events.filter(event_type="message_received", seq__gt=since).order_by("seq")


def _came_after(event: ConversationEvent, question: MessageDelivery | None) -> bool:
    if question is None:
        return True
    accepted = question.sent_at or question.delivered_at or question.read_at
    if accepted is None and question.state == "uncertain":
        accepted = question.claimed_at
    # What Twilio's log tells is cut to the second: within it, he answers.
    written = event.written_at + (A_SECOND if "occurred_at" in event.metadata else timedelta())
    return accepted is not None and written >= accepted


def _is_leaving(question: MessageDelivery | None) -> bool:
    return question is not None and question.state == "sending"


def _delivered_question(execution: Execution) -> list[engine.Input]:
    """What became of the question that is being answered, for `widgets.NAME.outbound`."""
    question = execution.question
    if question is None or not question.sid:
        return []
    return [engine.Said(_ref_of_question(execution), sid=question.sid, status=str(question.state))]


def _undelivered_question(execution: Execution) -> engine.Said | None:
    question, ref = execution.question, _ref_of_question(execution)
    if not execution.awaits_reply or question is None or question.state not in ("failed", "refused"):
        return None
    code = str(question.error_code or question.reason or "failed")
    return engine.Said(
        ref, sid=question.sid or "", status="failed", error_code=code, error_message=question.error
    )


def _ref_of_question(execution: Execution) -> int:
    waiting = execution.state.get("waiting") or {}
    return int(waiting.get("ref", 0))


# -- a step, and what it entails ---------------------------------------------------------------------


@metrics.step()
def _take_on(
    conversation: Conversation, execution: Execution, given: Sequence[engine.Input], at: datetime
) -> Errand | None:
    """Step and carry out, again and again, while our own hooks or a refused message answer at once."""
    flow, subflows = parsed(execution.revision), _subflows_of(execution)
    state, inputs = execution.state, list(given)
    while inputs:
        state, effects = engine.step(flow, state, inputs.pop(0), now=at, flows=subflows)
        _note_path(execution, state, effects)
        for effect in effects:
            answer = _carry_out(conversation, execution, effect, at)
            if answer is not None:
                inputs.append(answer)
    return _store(conversation, execution, state, at)


def _carry_out(
    conversation: Conversation, execution: Execution, effect: engine.Effect, at: datetime
) -> engine.Input | None:
    """What can be answered at once is; a request to a foreign host is only noted."""
    match effect:
        case engine.Say():
            return _say(conversation, execution, effect, at)
        case engine.CallHttp() | engine.RunFunction():
            return _call(execution, effect, at)
        case engine.AskForAgent():
            reason = str(effect.attributes.get("reason") or "")
            conversation.ask_for_agent(by=BOT, at=at, reason=reason, attributes=effect.attributes)
        case engine.Warn():
            metrics.ERRORS.inc()
            conversation.append(
                "error", by=BOT, at=at, body=effect.message, metadata={"state": effect.widget}
            )
        case engine.End():
            execution.end_reason = effect.reason
    return None


def _say(
    conversation: Conversation, execution: Execution, effect: engine.Say, at: datetime
) -> engine.Said | None:
    execution.question = None
    ref, template = f"{execution.sid}-{effect.ref}", _template(effect)
    if not effect.is_to_client:
        return other_recipients.send(conversation, effect, template=template, ref=ref, at=at)
    try:
        execution.question = conversation.say_as_program(
            effect.body, by=BOT, at=at, ref=ref, media_url=effect.media_url, template=template
        )
    except Refusal as refusal:
        return other_recipients.refuse(conversation, effect, refusal, template=template, at=at)
    return None


def _template(effect: engine.Say) -> Template | None:
    return Template(effect.content_sid, dict(effect.content_variables)) if effect.content_sid else None


def _call(
    execution: Execution, effect: engine.CallHttp | engine.RunFunction, at: datetime
) -> engine.Answered | None:
    request = effect.as_request()
    if isinstance(effect, engine.RunFunction) and (
        known := local_functions.find(effect.url, effect.function_sid)
    ):
        return local_functions.answer(known, effect)
    if local_hooks.is_own(request.url):
        return local_hooks.answer(request, ref=effect.ref, event=execution.about, at=at)
    execution.pending = asdict(request) | {"ref": effect.ref}
    return None


def _store(
    conversation: Conversation, execution: Execution, state: engine.State, at: datetime
) -> Errand | None:
    conversation.refresh_from_db()
    over = state["ended"] is not None or not conversation.is_open
    execution.state = state
    execution.awaits_reply = not over and engine.waits_for_reply(state)
    execution.due_at = None if over else engine.due_at(state)
    execution.ended_at = at if over else None
    if over:
        execution.pending = None
        execution.end_reason = execution.end_reason or state["ended"] or "completed"
    execution.save()
    until = execution.due_at if execution.awaits_reply else None
    Conversation.objects.filter(pk=conversation.pk).update(bot_waits_until=until)
    return _errand(execution) if execution.pending else None


def _errand(execution: Execution) -> Errand:
    pending: dict[str, Any] = dict(execution.pending or {})
    ref = int(pending.pop("ref"))
    return Errand(execution_id=execution.pk, ref=ref, key=f"{execution.sid}-{ref}", **pending)


def _note_path(execution: Execution, state: engine.State, effects: Iterable[engine.Effect]) -> None:
    went = [effect.widget for effect in effects if not isinstance(effect, engine.End | engine.Warn)]
    here = state["frames"][0]["widget"] if state["frames"] else ""
    for name in (*went, here):
        if name and execution.path[-1:] != [name]:
            execution.path.append(name)
    del execution.path[:-LONGEST_PATH]


# -- reading -----------------------------------------------------------------------------------------


def parsed(revision: Revision) -> engine.Flow:
    """A revision never changes, so that it is parsed once in a process."""
    return _parsed(revision.pk)


@lru_cache(maxsize=32)
def _parsed(revision_id: int) -> engine.Flow:
    return engine.parse(Revision.objects.values_list("definition", flat=True).get(pk=revision_id))


def published_subflows(flow: engine.Flow) -> dict[str, engine.Flow]:
    return {sid: _parsed(pk) for sid, pk in Flow.published_as(flow.subflows()).items()}


def _subflows_of(execution: Execution) -> dict[str, engine.Flow]:
    """Those of its beginning: it stays on them as on its own revision. One that was deleted since fails."""
    if execution.subflows is None:
        return published_subflows(parsed(execution.revision))
    there = set(Revision.objects.filter(pk__in=execution.subflows.values()).values_list("pk", flat=True))
    return {sid: _parsed(pk) for sid, pk in execution.subflows.items() if pk in there}


def webhook_of(event: ConversationEvent) -> dict[str, str]:
    """The message as Twilio's webhook told it, put together again from where its parts are kept."""
    conversation = event.conversation
    media = list(event.media.all())
    told = dict(event.metadata.get("parameters", {}))
    told |= {
        "MessageSid": event.message_sid or "",
        "SmsSid": event.message_sid or "",
        "From": conversation.address.address,
        "To": conversation.sender,
        "Body": event.body,
        "ProfileName": event.author_name,
        "NumMedia": str(len(media)),
    }
    for item in media:
        told |= {f"MediaUrl{item.position}": item.url, f"MediaContentType{item.position}": item.declared_type}
    return told
