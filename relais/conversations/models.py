"""The tables of conversations, with their invariants. States are in `states.py`, event types in `event_types.py`,
queries in `querysets.py`, verbs in mixins: `lifecycle.py`, `outbound.py`, `events.py`, `delivery_states.py`,
`tagging.py`, `snooze.py`, `scheduling.py`. Two tables with their verbs: `tags.py`, `scheduled_messages.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Func, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Now
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy
from procrastinate.contrib.django import app

from relais.accounts.models import Team, User
from relais.clients.models import Client, ClientAddress
from relais.conversations import media_types
from relais.conversations.client_answers import ClientAnswersMixin, humanize
from relais.conversations.delivery_states import DeliveryTransitions
from relais.conversations.event_types import MESSAGE_EVENT_TYPES, AuthorKind, EventType
from relais.conversations.lifecycle import LifecycleMixin
from relais.conversations.media_limits import MAX_MEDIA_MEGABYTES, PERMANENT_MEDIA_ERRORS
from relais.conversations.outbound import SendMixin
from relais.conversations.querysets import ConversationQuerySet, MessageDeliveryQuerySet
from relais.conversations.scheduling import ScheduleMixin
from relais.conversations.service_window import ServiceWindowMixin
from relais.conversations.snooze import SnoozeMixin
from relais.conversations.states import (
    ENDED_STATUSES,
    OPEN_STATUSES,
    DeliveryState,
    MediaState,
    Situation,
    Status,
)
from relais.conversations.tagging import TagsMixin
from relais.conversations.tags import Tag
from relais.files.models import StoredFile
from relais.message_limits import MAX_REF_CHARACTERS, MAX_STORED_REF_CHARACTERS

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object


SCAN_TASK = "relais.conversations.tasks.scan_media"
PREVIEW_TASK = "relais.conversations.tasks.preview_media"


class Conversation(
    LifecycleMixin,
    SendMixin,
    ScheduleMixin,
    ServiceWindowMixin,
    ClientAnswersMixin,
    TagsMixin,
    SnoozeMixin,
    models.Model,
):
    not_found_sentence = gettext_lazy("Cette conversation n'existe pas, ou n'est pas à votre portée.")

    # Relations with `db_index=False` are the first column of another index.
    # One foreign key over both columns (see migration 0010) keeps address and client together: moving an address to
    # another client moves its conversations.
    address = models.ForeignKey(
        ClientAddress,
        on_delete=models.PROTECT,
        related_name="conversations",
        db_index=False,
        db_constraint=False,
    )
    """The one the client last wrote from: messages are sent to it."""
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="conversations", db_index=False, db_constraint=False
    )
    sender = models.TextField()
    """Our number, canonical; client and sender together are the channel."""
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations", db_index=False
    )
    status = models.CharField(max_length=12, choices=Status.choices, db_default=Status.ACTIVE.value)
    agent = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations", db_index=False
    )
    # `epoch` (the fencing token), `seq` and `rev` are explained in `states.py`.
    epoch = models.IntegerField(db_default=0)
    seq = models.IntegerField(db_default=0)
    rev = models.BigIntegerField(db_default=0)
    read_seq = models.IntegerField(db_default=0)
    last_inbound_seq = models.IntegerField(db_default=0)
    session_id = models.TextField(
        db_default=Func(function="gen_random_uuid", template="(%(function)s()::text)")
    )
    current_menu = models.TextField(db_default="main_menu")
    menu_path = ArrayField(models.TextField(), db_default=Value([], ArrayField(models.TextField())))
    started_at = models.DateTimeField(db_default=Now())
    transferred_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(db_default=Now())
    last_inbound_at = models.DateTimeField(null=True)
    unanswered_since = models.DateTimeField(null=True)
    """Since when the client waits for an answer of a person; null once an agent wrote."""
    bot_waits_until = models.DateTimeField(null=True)
    """Until when a flow of ours waits for the client's answer; null when none does."""
    # Explained in `snooze.py`.
    snoozed_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    snooze_end = models.CharField(max_length=8, blank=True, default="", db_default="")
    ended_at = models.DateTimeField(null=True)
    duration_seconds = models.IntegerField(null=True)

    objects = ConversationQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "conversations"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="conversation_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(agent=None) | ~Q(status=Status.ACTIVE), name="the_bot_has_no_agent_beside_it"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OPEN_STATUSES, ended_at=None)
                | Q(status__in=ENDED_STATUSES, ended_at__isnull=False),
                name="ended_means_ended_at",
            ),
            models.CheckConstraint(
                condition=Q(duration_seconds=None) | Q(duration_seconds__gte=0),
                name="duration_is_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(snoozed_at=None) | Q(status=Status.TRANSFERRED, agent__isnull=False),
                name="only_held_conversations_are_snoozed",
            ),
            models.UniqueConstraint(
                fields=["client", "sender"],
                condition=Q(status__in=["active", "transferred"]),
                name="one_open_conversation_per_client",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-last_activity_at", "-id"], name="conversations_by_activity"),
            models.Index(
                fields=["status", "-last_activity_at", "-id"],
                condition=Q(status__in=["active", "transferred"]),
                name="open_conversations",
            ),
            models.Index(
                fields=["transferred_at", "id"],
                condition=Q(status="transferred", agent=None),
                name="waiting_conversations",
            ),
            models.Index(
                fields=["-last_activity_at", "-id"],
                condition=Q(status__in=["completed", "timeout", "abandoned"]),
                include=["team"],
                name="ended_conversations",
            ),
            models.Index(
                fields=["agent", "-last_activity_at", "-id"],
                condition=Q(agent__isnull=False),
                name="conversations_by_agent",
            ),
            models.Index(
                fields=["agent"],
                condition=Q(status="transferred", agent__isnull=False),
                name="held_conversations",
            ),
            models.Index(
                fields=["snoozed_until"],
                condition=Q(snoozed_at__isnull=False),
                name="snoozed_conversations",
            ),
            models.Index(fields=["team"], condition=Q(team__isnull=False), name="conversations_of_team"),
            models.Index(fields=["client", "sender", "-last_inbound_at"], name="window_of_client"),
        ]

    def __str__(self) -> str:
        return f"conversation {self.pk}"

    def save(self, **options: Any) -> None:
        if not self.client_id:
            self.client_id = self.address.client_id
        super().save(**options)

    @property
    def situation(self) -> Situation:
        if self.status in ENDED_STATUSES:
            return Situation.ENDED
        if self.status == Status.ACTIVE:
            return Situation.BOT
        return Situation.WAITING if self.agent_id is None else Situation.HELD

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def client_name(self) -> str:
        return self.client.name or self.address.formatted

    @property
    def menus(self) -> list[str]:
        """The client's path through the menus, as labels."""
        return [label for menu in self.menu_path if (label := humanize(menu))]

    @property
    def is_unread(self) -> bool:
        return self.last_inbound_seq > self.read_seq

    def mark_read_by(self, user: User) -> None:
        """The holder has read everything; other readers do not change what is unread for him."""
        if self.agent_id == user.pk and self.is_unread:
            Conversation.objects.held_by(user).filter(pk=self.pk).update(read_seq=F("last_inbound_seq"))

    def history(self) -> models.QuerySet[ConversationEvent]:
        return self.events.select_related("delivery").prefetch_related("media").order_by("seq")


class ConversationEvent(models.Model):
    """The append-only event log: a trigger forbids updating or deleting a row."""

    not_found_sentence = gettext_lazy("Ce message n'existe pas dans cette conversation.")

    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    seq = models.IntegerField()
    rev = models.BigIntegerField()
    event_type = models.CharField(max_length=24, choices=EventType.choices)
    author_kind = models.CharField(max_length=8, choices=AuthorKind.choices)
    author_id = models.BigIntegerField(null=True)
    """A user's id; no foreign key, since the history outlives the user."""
    author_name = models.TextField(blank=True, default="", db_default="")
    body = models.TextField(blank=True, default="", db_default="")
    metadata = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    message_sid = models.TextField(null=True, unique=True)
    waiting_due = models.BooleanField(default=False, db_default=False)
    resend_of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="resends", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta(TypedModelMeta):
        db_table = "conversation_events"
        ordering = ("conversation_id", "seq")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="event_seq_is_unique"),
            models.UniqueConstraint(fields=["conversation", "rev"], name="event_rev_is_unique"),
            models.CheckConstraint(condition=Q(event_type__in=EventType.values), name="event_type_is_known"),
            models.CheckConstraint(
                condition=Q(author_kind__in=AuthorKind.values), name="author_kind_is_known"
            ),
        ]
        # Every insert pays for each index here: partial indexes leave out what most events do not have.
        indexes: ClassVar = [
            models.Index(fields=["resend_of"], condition=Q(resend_of__isnull=False), name="resends"),
            models.Index(
                fields=["conversation"], condition=Q(metadata__has_key="media"), name="events_with_media"
            ),
            models.Index(fields=["conversation"], condition=Q(waiting_due=True), name="waiting_text_due"),
            models.Index(
                KT("metadata__reason"),
                "conversation",
                condition=Q(event_type="conversation_closed", metadata__has_key="reason"),
                name="closings_by_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.conversation_id}/{self.seq}"

    @property
    def is_message(self) -> bool:
        return self.event_type in MESSAGE_EVENT_TYPES

    @property
    def is_to_other(self) -> bool:
        """A flow sent it to somebody else than this conversation's client."""
        return self.event_type == "message_sent" and "to" in self.metadata

    @property
    def written_at(self) -> datetime:
        """When the client wrote it; `created_at` is when it reached us."""
        occurred_at = self.metadata.get("occurred_at")
        return datetime.fromisoformat(occurred_at) if occurred_at else self.created_at

    @property
    def is_too_late_for_bot(self) -> bool:
        """Recovered so long after it was written that the bot must not answer it as if it were new."""
        return "occurred_at" in self.metadata and "bot_here" not in self.metadata


class ConversationTag(models.Model):
    pk = models.CompositePrimaryKey("conversation_id", "tag_id")
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="conversation_tags",
        db_index=False,
    )
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="conversation_tags", db_index=False)

    class Meta(TypedModelMeta):
        db_table = "conversation_tags"
        indexes: ClassVar = [models.Index(fields=["tag", "conversation"], name="conversations_of_tag")]

    def __str__(self) -> str:
        return f"tag {self.tag_id} of conversation {self.conversation_id}"


class MessageDelivery(DeliveryTransitions, models.Model):
    """The outbox: one row for each outgoing event, with its delivery state."""

    event = models.OneToOneField(ConversationEvent, on_delete=models.PROTECT, related_name="delivery")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    state = models.CharField(
        max_length=12, choices=DeliveryState.choices, db_default=DeliveryState.QUEUED.value
    )
    rev = models.BigIntegerField()
    ref = models.CharField(max_length=MAX_STORED_REF_CHARACTERS, null=True)
    """The idempotency key that the page or API client gave: a repeated request is answered like the first."""
    sid = models.TextField(null=True, unique=True)
    sent_to = models.TextField(null=True)
    """The address it was sent to, since the conversation's may change; null until it is claimed."""
    epoch = models.IntegerField(null=True)
    """The fencing token: set only on texts that a take-over withholds, to the conversation's epoch when written."""
    by_person = models.BooleanField(db_default=False)
    attempt = models.IntegerField(db_default=0)
    not_before = models.DateTimeField(db_default=Now())
    held_until = models.DateTimeField(null=True)
    """Until then its author can undo it, and it is not claimed; it holds back the later ones like any queued row."""
    claimed_by = models.TextField(null=True)
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    uncertain_until = models.DateTimeField(null=True)
    asked = models.SmallIntegerField(db_default=0)
    """How often Twilio's log was searched for it without a result."""
    ask_after = models.DateTimeField(null=True)
    repeated = models.BooleanField(db_default=False)
    """It was requeued once, since Twilio did not have it after the first call."""
    error_code = models.IntegerField(null=True)
    error = models.TextField(blank=True, default="", db_default="")
    reason = models.CharField(max_length=24, blank=True, default="", db_default="")
    """Why it was refused here: see `refusal_texts.py`."""
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = MessageDeliveryQuerySet.as_manager()

    class Meta(TypedModelMeta):
        db_table = "message_deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_is_known"
            ),
            models.UniqueConstraint(
                fields=["conversation", "ref"], condition=Q(ref__isnull=False), name="a_ref_is_sent_once"
            ),
            models.CheckConstraint(
                condition=Q(state="sending", claimed_by__isnull=False, lease_until__isnull=False)
                | ~Q(state="sending"),
                name="sending_has_a_claim",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["conversation", "id"],
                condition=Q(state__in=["queued", "sending", "uncertain"]),
                name="undecided_deliveries",
            ),
            models.Index(
                fields=["conversation"],
                condition=Q(state__in=["failed", "uncertain"]),
                name="troubled_deliveries",
            ),
            models.Index(
                fields=["-by_person", "id"],
                condition=Q(state="queued"),
                name="deliveries_by_turn",
            ),
            models.Index(
                fields=["conversation"],
                condition=Q(state__in=["sending", "uncertain"]),
                name="under_way_of_conversation",
            ),
            models.Index(fields=["conversation", "rev"], name="deliveries_by_rev"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} {self.state}"

    @property
    def recipient(self) -> str:
        """The address it is or was sent to."""
        return self.sent_to or self.conversation.address.address


class SenderRateLimit(models.Model):
    """The token bucket of each of our numbers, shared by all processes: see `outbox.py` and `send_rate_limit.py`."""

    sender = models.TextField(primary_key=True)
    tokens = models.FloatField(db_default=0)
    counted_at = models.DateTimeField(db_default=Now())
    slow_until = models.DateTimeField(null=True)
    recent_claims = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    """What was claimed within the last second: `[[Unix time, how many], …]`."""

    class Meta(TypedModelMeta):
        db_table = "sender_paces"

    def __str__(self) -> str:
        return f"rate limit of {self.sender}"


class Draft(models.Model):
    """What a user has typed in the composer of one conversation and not sent; see `drafts.py`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="drafts", db_index=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="drafts")
    text = models.TextField()
    ref = models.CharField(max_length=MAX_REF_CHARACTERS, blank=True, default="")
    """The idempotency key that the message will be sent with."""
    saved_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "drafts"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "conversation"], name="one_draft_per_user_and_conversation"
            )
        ]

    def __str__(self) -> str:
        return f"draft of {self.user_id} in {self.conversation_id}"


class MediaManager(models.Manager["Media"]):
    """With the stored file, which has thumbnail and details: each screen that shows media needs them."""

    def get_queryset(self) -> QuerySet[Media, Media]:
        return super().get_queryset().select_related("file")


class Media(models.Model):
    """A picture or document of an event; its file is downloaded once and kept in the data folder."""

    not_found_sentence = gettext_lazy("Ce fichier n'existe pas, ou n'est pas à votre portée.")

    event = models.ForeignKey(
        ConversationEvent, on_delete=models.PROTECT, related_name="media", db_index=False
    )
    position = models.SmallIntegerField()
    url = models.TextField()
    declared_type = models.TextField(blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=MediaState.choices, db_default=MediaState.WAITING.value)
    content_type = models.TextField(blank=True, default="", db_default="")
    filename = models.TextField(blank=True, default="", db_default="")
    """The sender's file name, cleaned (`media_types.clean_filename`); empty when Twilio gave none."""
    size = models.BigIntegerField(null=True)
    file = models.ForeignKey(
        StoredFile, null=True, on_delete=models.PROTECT, related_name="media", db_index=False
    )
    """Null while it is downloaded, and for files stored by the id of their media, before there were stored files."""
    rev = models.BigIntegerField(db_default=0)
    """The conversation's `rev` when the state last changed: screens then render the message again."""
    error = models.TextField(blank=True, default="", db_default="")

    objects = MediaManager()

    class Meta(TypedModelMeta):
        db_table = "media"
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "position"], name="one_media_per_position"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["file"], condition=Q(file__isnull=False), name="media_of_stored_file"),
            models.Index(fields=["id"], condition=Q(state=MediaState.SCANNING), name="media_awaiting_scan"),
        ]

    def __str__(self) -> str:
        return f"media {self.pk}"

    @transaction.atomic
    def record_download(self, state: str, **fields: Any) -> None:
        """Store the result of the download, or of its scan; screens render its message again."""
        conversation = self.event.conversation.locked()
        Media.objects.filter(pk=self.pk).update(state=state, rev=conversation.bump_rev(), **fields)
        self.refresh_from_db()
        self.defer_next_job()

    @transaction.atomic
    def record_preview(self) -> None:
        """Its file has a preview now: screens render its message again."""
        conversation = self.event.conversation.locked()
        Media.objects.filter(pk=self.pk).update(rev=conversation.bump_rev())

    def defer_next_job(self) -> None:
        """The scan of a file that is not served yet, the preview of one that is."""
        if self.state == MediaState.SCANNING:
            task = SCAN_TASK
        elif self.state == MediaState.STORED and self.file and not self.file.previewed_at:
            task = PREVIEW_TASK
        else:
            return
        app.configure_task(task, allow_unknown=True, queue="media").defer(media_id=self.pk)

    @property
    def is_retryable(self) -> bool:
        """The file may exist: downloads were refused or got no answer, but no error is permanent."""
        return self.state == MediaState.FAILED and self.error not in PERMANENT_MEDIA_ERRORS

    @property
    def permanent_error(self) -> str:
        """A sentence for people; empty when a retry may help."""
        sentence = PERMANENT_MEDIA_ERRORS.get(self.error)
        return str(sentence) % {"megabytes": MAX_MEDIA_MEGABYTES} if sentence else ""

    @property
    def shown_type(self) -> str:
        return self.content_type or self.declared_type.partition(";")[0].strip().lower()

    @property
    def family(self) -> str:
        """`image`, `audio`, `video` …"""
        return self.shown_type.partition("/")[0]

    @property
    def details(self) -> dict[str, Any]:
        """What the preview of its file found."""
        return self.file.details if self.file else {}

    @property
    def has_thumbnail(self) -> bool:
        return bool(self.file and self.file.thumbnail_id)

    @property
    def awaits_preview(self) -> bool:
        return bool(self.file and not self.file.previewed_at)

    @property
    def is_unreadable(self) -> bool:
        """A picture that no thumbnail could be made of."""
        return bool(self.file and self.file.previewed_at and not self.file.thumbnail_id)

    @property
    def is_sticker(self) -> bool:
        """WhatsApp sends photographs as JPEG or PNG: only stickers are WebP."""
        return self.shown_type == "image/webp"

    @property
    def kind(self) -> str:
        """`sticker`, `image`, `audio`, `video`, `contact` or `document`."""
        return media_types.kind_of(self.shown_type)

    @property
    def duration(self) -> str:
        """`0:07`, `1:02:03`; empty if it is unknown."""
        seconds = round(self.details.get("seconds", 0))
        hours, minutes = seconds // 3600, seconds // 60 % 60
        clock = f"{hours}:{minutes:02}" if hours else str(minutes)
        return f"{clock}:{seconds % 60:02}" if seconds else ""

    @property
    def is_picture(self) -> bool:
        return self.shown_type.startswith("image/") and not self.is_empty

    @property
    def is_empty(self) -> bool:
        return self.size == 0

    @property
    def is_playable(self) -> bool:
        """Whether browsers can play it, if it is a recording."""
        return self.shown_type not in media_types.UNPLAYABLE_TYPES

    @property
    def label(self) -> str:
        return media_types.label_for(self.shown_type, self.filename)

    @property
    def download_name(self) -> str:
        """The sender's file name, else its kind and when it was written."""
        if self.filename:
            return self.filename
        written = localtime(self.event.written_at)
        return f"{media_types.default_stem(self.shown_type)}-{written:%Y-%m-%d-%H%M}{self.extension}"

    @property
    def saved_name(self) -> str:
        """For « Enregistrer »: whose it is, from when, and what: `Fatou Diallo 2026-11-30 1015 photo.jpg`."""
        written = localtime(self.event.written_at)
        what = self.filename or f"{media_types.default_stem(self.shown_type)}{self.extension}"
        whose = media_types.clean_filename(self.event.conversation.client_name).rstrip(".")
        return media_types.clean_filename(f"{whose} {written:%Y-%m-%d %H%M} {what}", self.shown_type)

    @property
    def extension(self) -> str:
        return media_types.extension_for(self.shown_type, self.declared_type)


class SavedView(models.Model):
    """Filters of the list of all conversations under a name: see `saved_views.py`."""

    not_found_sentence = gettext_lazy("Cette vue n'existe pas, ou n'est pas à votre portée.")

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_views", db_index=False)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=500)
    """The query string of the list, without `?`."""
    is_shared = models.BooleanField(default=False, db_default=False)
    saved_at = models.DateTimeField()

    class Meta(TypedModelMeta):
        db_table = "saved_views"
        ordering = ("name", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="one_saved_view_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
