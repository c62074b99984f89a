"""Jobs that notify users and push to their devices. They carry ids; the content is read when they run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from relais.accounts.models import User
from relais.conversations.models import Conversation, ConversationEvent
from relais.notes.models import Note
from relais.notifications import metrics
from relais.notifications.models import ClosingWindowWarning, NotificationPreferences, PushSubscription
from relais.notifications.notification import Notification
from relais.notifications.notification_kinds import NotificationKind
from relais.notifications.send import PUSH_DELAY, push_message, send_notification, trial_message

log = logging.getLogger(__name__)
MAX_PUSH_ATTEMPTS = 5
WINDOW_WARNING = timedelta(hours=1)
"""How long before the 24-hour window closes its agent is told."""


@app.task(name="relais.notifications.tasks.notify", priority=1)
def notify(
    kind: str,
    conversation_id: int,
    event_id: int | None = None,
    note_id: int | None = None,
    user_ids: Sequence[int] | None = None,
) -> None:
    """`user_ids`: of those whom it concerns only these."""
    notification = _notice(NotificationKind(kind), conversation_id, event_id=event_id, note_id=note_id)
    recipients = [user for user in notification.recipients() if user_ids is None or user.pk in user_ids]
    if not notification.is_too_late(at=(at := timezone.now())):
        send_and_push(notification, recipients, at=at)


def send_and_push(notification: Notification, users: Iterable[User], *, at: datetime) -> None:
    for subscription in send_notification(notification, users, at=at):
        push.configure(schedule_in={"seconds": int(PUSH_DELAY.total_seconds())}).defer(
            subscription_id=subscription.pk,
            kind=notification.kind.value,
            conversation_id=notification.conversation.pk,
            event_id=notification.event.pk if notification.event else None,
            note_id=notification.note.pk if notification.note else None,
        )


def _notice(
    kind: NotificationKind, conversation_id: int, *, event_id: int | None, note_id: int | None
) -> Notification:
    conversation = Conversation.objects.select_related("agent", "client", "address").get(pk=conversation_id)
    event = ConversationEvent.objects.select_related("delivery").get(pk=event_id) if event_id else None
    return Notification(kind, conversation, event, Note.objects.get(pk=note_id) if note_id else None)


class PushRetry(BaseRetryStrategy):
    """When the push service says, or later each time; after the last attempt nobody needs the message any more."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        from relais.notifications.push_client import PushUnavailable

        if not isinstance(exception, PushUnavailable) or job.attempts + 1 >= MAX_PUSH_ATTEMPTS:
            return None
        return RetryDecision(retry_in={"seconds": exception.retry_after_seconds * 2**job.attempts})


@app.task(name="relais.notifications.tasks.push", queue="push", retry=PushRetry(), pass_context=True)
def push(
    context: JobContext,
    subscription_id: int,
    kind: str,
    conversation_id: int,
    event_id: int | None = None,
    note_id: int | None = None,
) -> None:
    subscription = _valid_subscription(subscription_id, at := timezone.now())
    if subscription is None:
        return
    notification = _notice(NotificationKind(kind), conversation_id, event_id=event_id, note_id=note_id)
    own = NotificationPreferences.of(subscription.user)
    if own.is_silent(at=at) or notification.is_too_late(at=at):
        return
    if not notification.still_concerns(subscription.user):
        return
    message = push_message(notification, subscription.user, own, at=at)
    _send(context, subscription, message, topic=f"conversation-{conversation_id}", at=at)


@app.task(name="relais.notifications.tasks.push_test", queue="push", retry=PushRetry(), pass_context=True)
def push_test(context: JobContext, subscription_id: int) -> None:
    """A trial that the user asked for, also while he does not want to be disturbed."""
    subscription = _valid_subscription(subscription_id, at := timezone.now())
    if subscription is not None:
        _send(context, subscription, trial_message(subscription.user), topic="trial", at=at)


def _valid_subscription(pk: int, at: datetime) -> PushSubscription | None:
    """Forgets it if its session has ended."""
    subscription = PushSubscription.objects.select_related("user").filter(pk=pk).first()
    if subscription is not None and not subscription.is_valid(at=at):
        subscription.delete()
        return None
    return subscription


def _send(
    context: JobContext, subscription: PushSubscription, message: bytes, *, topic: str, at: datetime
) -> None:
    # Loaded on first use: the cryptography costs memory that a desk without pushes does not need.
    from relais.notifications import push_client

    try:
        push_client.send(subscription, message, topic=topic, at=at)
        metrics.count_push("accepted")
    except push_client.SubscriptionGone:
        metrics.count_push("gone")
        subscription.delete()
    except push_client.PushRefused as refusal:
        metrics.count_push("refused")
        log.warning("push refused", extra={"user": subscription.user_id, "code": refusal.status})
    except push_client.PushUnavailable:
        metrics.count_push("unavailable")
        if context.job is None or context.job.attempts + 1 < MAX_PUSH_ATTEMPTS:
            raise
        log.warning("push given up", extra={"user": subscription.user_id})


@app.task(
    name="relais.notifications.tasks.warn_of_closing_windows", queueing_lock="closing_windows", priority=1
)
def warn_of_closing_windows(timestamp: int) -> None:
    """Tell each window once; what was due while no job ran is told late, as long as the window is open."""
    at = datetime.fromtimestamp(timestamp, UTC)
    closing = Conversation.objects.held().unanswered().with_window_closing_by(at + WINDOW_WARNING, at=at)
    with transaction.atomic():
        claimed = ClosingWindowWarning.claim(closing)
        is_last_inbound = Q(conversation__in=claimed, seq=F("conversation__last_inbound_seq"))
        for event in ConversationEvent.objects.filter(is_last_inbound).order_by("pk"):
            notify.defer(
                kind=NotificationKind.WINDOW_CLOSING.value,
                conversation_id=event.conversation_id,
                event_id=event.pk,
            )
