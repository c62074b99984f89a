"""The tables of the heart. Their invariants stand in PostgreSQL; the verbs stand in `lifecycle.py` and `saying.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Exists, F, Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Now
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from relais.accounts.models import Team, User
from relais.clients.addresses import CHANNEL, match_key
from relais.clients.models import Client, ClientAddress
from relais.conversations import media_types
from relais.conversations.client_answers import Inputs, in_words
from relais.conversations.delivery_states import DOUBT, LONGEST_PAUSE, Fate
from relais.conversations.lifecycle import ENDED, OPEN, Lifecycle, Situation, Status
from relais.conversations.outbound import Saying
from relais.text import ascii_digits

if TYPE_CHECKING:
    from django_stubs_ext.db.models import TypedModelMeta
else:
    TypedModelMeta = object

WINDOW = timedelta(hours=24)
"""WhatsApp's: free text may be sent this long after the client's last message."""

RARE = 2_000
"""As many addresses that match a search can be asked for one by one."""


class Conversations(models.QuerySet["Conversation"]):
    def open(self) -> Conversations:
        return self.filter(status__in=OPEN)

    def with_bot(self) -> Conversations:
        return self.filter(status=Status.ACTIVE)

    def waiting(self) -> Conversations:
        return self.filter(status=Status.TRANSFERRED, agent=None)

    def held(self) -> Conversations:
        return self.filter(status=Status.TRANSFERRED, agent__isnull=False)

    def held_by(self, agent: User) -> Conversations:
        return self.filter(status=Status.TRANSFERRED, agent=agent)

    def attended(self) -> Conversations:
        """Open, and someone (bot or agent) is answering."""
        return self.open().exclude(status=Status.TRANSFERRED, agent=None)

    def ended(self) -> Conversations:
        return self.filter(status__in=ENDED)

    def unread(self) -> Conversations:
        return self.filter(last_inbound_seq__gt=F("read_seq"))

    def within_reach_of(self, user: User) -> Conversations:
        """What `user` may see: all for supervisors and above, else his team's and those of no team."""
        if not user.is_active:
            return self.none()
        if user.is_supervisor:
            return self
        return self.filter(Q(team=None) | Q(team=user.team_id) if user.team_id else Q(team=None))

    def silent_since(self, moment: datetime) -> Conversations:
        return self.filter(
            Q(last_inbound_at__lt=moment) | Q(last_inbound_at=None),
            # A message that reached us days late opens one whose client has long been silent.
            Q(started_at__lt=moment),
            Q(bot_waits_until=None),
            Q(status=Status.ACTIVE) | Q(status=Status.TRANSFERRED, agent=None),
        )

    def matching(self, text: str) -> Conversations:
        """Whose client's name, or number, contains `text`; accents, case and grouping of digits do not matter."""
        found = list(_clients_matching(text)[: RARE + 1])
        if len(found) <= RARE:
            return self.filter(client__in=found)
        # So many that the first page is found soon by going through the list in its order, and looking at each.
        named = Exists(_clients_named(text).filter(pk=OuterRef("client")))
        numbered = _addresses_with_number(text)
        return self.filter(
            named | Exists(numbered.filter(client=OuterRef("client"))) if numbered is not None else named
        )


def _clients_matching(text: str) -> models.QuerySet[Any, int]:
    named = _clients_named(text).values_list("pk", flat=True)
    numbered = _addresses_with_number(text)
    # Joined by OR, neither of the two could be asked of its index.
    if numbered is None:
        return named
    return named.union(numbered.values_list("client_id", flat=True), all=True)


def _addresses_with_number(text: str) -> models.QuerySet[ClientAddress] | None:
    """Those that contain the digits of the text, in every script; None when they are too few to be asked for.

    A whole number finds its client in each of its national forms.
    """
    digits = "".join(c for c in ascii_digits(text) if c in "0123456789")
    if len(digits) < 3:
        return None
    number = digits.removeprefix("00").lstrip("0") or digits
    return ClientAddress.objects.filter(
        Q(address__contains=number) | Q(match_key=match_key(f"{CHANNEL}+{number}"))
    )


class Plain(Func):
    """Lower case without accents; immutable, so that it can be indexed (see the migration)."""

    function = "relais_plain"
    output_field = models.TextField()


def _clients_named(text: str) -> models.QuerySet[Any]:
    return Client.objects.annotate(
        plain_name=Plain("client_full_name"), plain_profile=Plain("whatsapp_profile_name")
    ).filter(
        Q(plain_name__contains=Plain(Value(text.strip())))
        | Q(plain_profile__contains=Plain(Value(text.strip())))
    )


class Conversation(Lifecycle, Saying, Inputs, models.Model):
    # Relations without an index of their own (`db_index=False`) stand first in another one.
    # Address and client refer together to an address of that client (see the migration): one follows the other.
    address = models.ForeignKey(
        ClientAddress,
        on_delete=models.PROTECT,
        related_name="conversations",
        db_index=False,
        db_constraint=False,
    )
    """The one the client last wrote from: what is said goes there."""
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="conversations", db_index=False, db_constraint=False
    )
    sender = models.TextField()
    """Our number, canonical; with the client it makes the channel."""
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations", db_index=False
    )
    status = models.CharField(max_length=12, choices=Status.choices, db_default=Status.ACTIVE.value)
    agent = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations", db_index=False
    )
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
    bot_waits_until = models.DateTimeField(null=True)
    """Until when a flow of ours waits for the client's answer; null when none does."""
    ended_at = models.DateTimeField(null=True)
    duration_seconds = models.IntegerField(null=True)

    objects = Conversations.as_manager()

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
                condition=Q(status__in=OPEN, ended_at=None) | Q(status__in=ENDED, ended_at__isnull=False),
                name="ended_means_ended_at",
            ),
            models.CheckConstraint(
                condition=Q(duration_seconds=None) | Q(duration_seconds__gte=0),
                name="duration_is_not_negative",
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
        if self.status in ENDED:
            return Situation.ENDED
        if self.status == Status.ACTIVE:
            return Situation.BOT
        return Situation.WAITING if self.agent_id is None else Situation.HELD

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def client_name(self) -> str:
        return self.client.name or self.address.formatted

    @property
    def menus(self) -> list[str]:
        """The client's path through the menus, in words."""
        return [words for menu in self.menu_path if (words := in_words(menu))]

    @property
    def is_unread(self) -> bool:
        return self.last_inbound_seq > self.read_seq

    def read_by(self, user: User) -> None:
        """The holder has seen all there is; another reader's look changes nothing for him."""
        if self.agent_id == user.pk and self.is_unread:
            Conversation.objects.held_by(user).filter(pk=self.pk).update(read_seq=F("last_inbound_seq"))

    def window_closes_at(self) -> datetime | None:
        """When free text is no longer accepted: by person and sender, whichever conversation and address it was."""
        last = Conversation.objects.filter(client=self.client_id, sender=self.sender).aggregate(
            at=models.Max("last_inbound_at")
        )["at"]
        return last + WINDOW if last else None

    def opted_out_since(self) -> datetime | None:
        """Since when the client wants no message from this number of ours."""
        return self.client.opted_out_since(self.sender) if self.address.opted_out_at else None

    def history(self) -> models.QuerySet[ConversationEvent]:
        return self.events.select_related("delivery").prefetch_related("media").order_by("seq")


class AuthorKind(models.TextChoices):
    CLIENT = "client", _("Client")
    BOT = "bot", _("Bot")
    AGENT = "agent", _("Agent")
    SYSTEM = "system", _("Relais")
    API = "api", _("Programme")


class EventType(models.TextChoices):
    MESSAGE_RECEIVED = "message_received", _("Message reçu")
    MESSAGE_SENT = "message_sent", _("Message envoyé")
    AGENT_MESSAGE = "agent_message", _("Message d'agent")
    DOCUMENT_SENT = "document_sent", _("Document envoyé")
    MENU_CHOICE = "menu_choice", _("Choix de menu")
    FREE_INPUT = "free_input", _("Saisie libre")
    INVALID_INPUT = "invalid_input", _("Saisie non comprise")
    AGENT_TRANSFER = "agent_transfer", _("Demande d'agent")
    AGENT_TAKEOVER = "agent_takeover", _("Prise en charge")
    AGENT_RELEASE = "agent_release", _("Remise")
    CONVERSATION_CLOSED = "conversation_closed", _("Clôture")
    FLOW_START = "flow_start", _("Début du parcours")
    FLOW_COMPLETE = "flow_complete", _("Fin du parcours")
    TIMEOUT = "timeout", _("Fin par silence")
    ERROR = "error", _("Erreur")
    NOTE = "note", _("Note")


SPOKEN = ("message_received", "message_sent", "agent_message", "document_sent")
"""Events shown as bubbles; all others are lines between them."""


class ConversationEvent(models.Model):
    """What happened, as it was: a trigger forbids changing or removing a row."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    seq = models.IntegerField()
    rev = models.BigIntegerField()
    event_type = models.CharField(max_length=24, choices=EventType.choices)
    author_kind = models.CharField(max_length=8, choices=AuthorKind.choices)
    author_id = models.BigIntegerField(null=True)
    """A user's id; no foreign key, since the history outlives its authors."""
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
        # Each index here is paid for by every message: what most events have not is left out.
        indexes: ClassVar = [
            models.Index(fields=["resend_of"], condition=Q(resend_of__isnull=False), name="resends"),
            models.Index(
                fields=["conversation"], condition=Q(metadata__has_key="media"), name="events_with_media"
            ),
            models.Index(fields=["conversation"], condition=Q(waiting_due=True), name="patience_asked_for"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.conversation_id}/{self.seq}"

    @property
    def is_spoken(self) -> bool:
        return self.event_type in SPOKEN

    @property
    def is_to_other(self) -> bool:
        """A flow addressed it to somebody else than this conversation's client."""
        return self.event_type == "message_sent" and "to" in self.metadata

    @property
    def written_at(self) -> datetime:
        """When it was really said; `created_at` is when it reached us."""
        told = self.metadata.get("occurred_at")
        return datetime.fromisoformat(told) if told else self.created_at

    @property
    def came_too_late(self) -> bool:
        """For the bot to answer it as if it had just been said."""
        return "occurred_at" in self.metadata and "bot_here" not in self.metadata


class DeliveryState(models.TextChoices):
    """The fate of one outgoing message; `rank` orders the happy ones."""

    QUEUED = "queued", _("En attente d'envoi")
    SENDING = "sending", _("Envoi en cours")
    UNCERTAIN = "uncertain", _("Envoi incertain")
    SENT = "sent", _("Envoyé")
    DELIVERED = "delivered", _("Remis")
    READ = "read", _("Lu")
    FAILED = "failed", _("Échec")
    REFUSED = "refused", _("Non envoyé")


class Deliveries(models.QuerySet["MessageDelivery"]):
    def blocking(self, at: datetime) -> Deliveries:
        """Rows that keep what comes after them in their conversation from leaving.

        A doubt that ends later than any can is the work of a clock that was set back: it holds nobody up.
        """
        undecided = [DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        return self.filter(_still_doubted(at), state__in=undecided)

    def due(self, at: datetime) -> Deliveries:
        """What may leave now: the oldest waiting row of each conversation where nothing before it is undecided.

        Persons' texts come first between conversations, never within one. What was never tried does not ask the
        clock, and a pause longer than any we make does not count: clocks are set back.
        """
        same = MessageDelivery.objects.filter(conversation=OuterRef("conversation"))
        before = same.blocking(at).filter(id__lt=OuterRef("id"))
        under_way = same.filter(
            _still_doubted(at), state__in=[DeliveryState.SENDING, DeliveryState.UNCERTAIN]
        )
        rested = Q(attempt=0) | Q(not_before__lte=at) | Q(not_before__gt=at + 2 * LONGEST_PAUSE)
        # Asked row by row, and not by `exists`, which could be joined: where the history makes a full outbox look
        # unlikely, each waiting row would be held against each other (5,000 of them: 12 s, and so 15 ms).
        first_before, first_under_way = (Subquery(each.values("pk")[:1]) for each in (before, under_way))
        waiting = self.alias(first_before=first_before, first_under_way=first_under_way)
        due = waiting.filter(rested, first_before=None, first_under_way=None, state=DeliveryState.QUEUED)
        return due.order_by("-by_person", "id")


def _still_doubted(at: datetime) -> Q:
    return ~Q(state=DeliveryState.UNCERTAIN) | Q(uncertain_until__gt=at, uncertain_until__lt=at + 2 * DOUBT)


class MessageDelivery(Fate, models.Model):
    """The outbox, and the fate of each message in it."""

    event = models.OneToOneField(ConversationEvent, on_delete=models.PROTECT, related_name="delivery")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    state = models.CharField(
        max_length=12, choices=DeliveryState.choices, db_default=DeliveryState.QUEUED.value
    )
    rev = models.BigIntegerField()
    ref = models.CharField(max_length=64, null=True)
    """The page's own name for what it sent, so that a repeated click is answered as the first."""
    sid = models.TextField(null=True, unique=True)
    sent_to = models.TextField(null=True)
    """The address it left for, since the conversation's may change; null until it is claimed."""
    epoch = models.IntegerField(null=True)
    """Only texts that a take-over silences carry the epoch they were written under."""
    by_person = models.BooleanField(db_default=False)
    attempt = models.IntegerField(db_default=0)
    not_before = models.DateTimeField(db_default=Now())
    claimed_by = models.TextField(null=True)
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    uncertain_until = models.DateTimeField(null=True)
    asked = models.SmallIntegerField(db_default=0)
    """How often Twilio's log was asked about it, and did not have it."""
    ask_after = models.DateTimeField(null=True)
    repeated = models.BooleanField(db_default=False)
    """It left a second time, since Twilio did not have it after the first."""
    error_code = models.IntegerField(null=True)
    error = models.TextField(blank=True, default="", db_default="")
    reason = models.CharField(max_length=24, blank=True, default="", db_default="")
    """Why it was refused here: see `saying.sentence_for`."""
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = Deliveries.as_manager()

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
        """The address it goes to, or went to."""
        return self.sent_to or self.conversation.address.address


class SenderPace(models.Model):
    """How many messages each of our numbers may send now, shared by all processes: see `outbox.py`."""

    sender = models.TextField(primary_key=True)
    tokens = models.FloatField(db_default=0)
    counted_at = models.DateTimeField(db_default=Now())
    slow_until = models.DateTimeField(null=True)
    recent_claims = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    """What left within the last second: `[[seconds since the epoch, how many], …]`."""

    class Meta(TypedModelMeta):
        db_table = "sender_paces"

    def __str__(self) -> str:
        return f"pace of {self.sender}"


MAX_MEDIA_MEGABYTES = 16
"""WhatsApp's own limit by way of Twilio."""
GIVEN_UP = "given up"
"""What stands as the error of media that was refused, or not answered, for a day."""
MEDIA_NOT_OURS, MEDIA_TOO_LARGE, MEDIA_DELETED = "not ours", "too large", "deleted"
PERMANENT_MEDIA_ERRORS = {
    MEDIA_NOT_OURS: _("Son adresse n'est pas celle de notre compte Twilio."),
    MEDIA_TOO_LARGE: _("Elle dépasse %(megabytes)s Mo."),
    MEDIA_DELETED: _("Elle a été supprimée chez Twilio."),
}
"""What no other try would change, and why."""


class MediaState(models.TextChoices):
    WAITING = "waiting", _("En attente")
    STORED = "stored", _("Disponible")
    FAILED = "failed", _("Indisponible")


class Media(models.Model):
    """A picture or document of an event; its bytes are fetched once and kept in the data folder."""

    event = models.ForeignKey(
        ConversationEvent, on_delete=models.PROTECT, related_name="media", db_index=False
    )
    position = models.SmallIntegerField()
    url = models.TextField()
    declared_type = models.TextField(blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=MediaState.choices, db_default=MediaState.WAITING.value)
    content_type = models.TextField(blank=True, default="", db_default="")
    filename = models.TextField(blank=True, default="", db_default="")
    """As its sender named it, cleaned (`media_types.clean_filename`); empty when Twilio told no name."""
    size = models.BigIntegerField(null=True)
    rev = models.BigIntegerField(db_default=0)
    """The conversation's, when the state last moved: the message is then shown again."""
    error = models.TextField(blank=True, default="", db_default="")

    class Meta(TypedModelMeta):
        db_table = "media"
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "position"], name="one_media_per_position"),
        ]

    def __str__(self) -> str:
        return f"media {self.pk}"

    @transaction.atomic
    def settle(self, state: str, **fields: Any) -> None:
        """Note what became of fetching it; screens show its message again."""
        conversation = self.event.conversation.locked()
        Media.objects.filter(pk=self.pk).update(state=state, rev=conversation.touch(), **fields)
        self.refresh_from_db()

    @property
    def may_be_tried_again(self) -> bool:
        """It may be there after all: only it was refused, or nobody answered, for so long."""
        return self.state == MediaState.FAILED and self.error not in PERMANENT_MEDIA_ERRORS

    @property
    def why_unavailable(self) -> str:
        """Empty when another try may help."""
        why = PERMANENT_MEDIA_ERRORS.get(self.error)
        return str(why) % {"megabytes": MAX_MEDIA_MEGABYTES} if why else ""

    @property
    def shown_type(self) -> str:
        return self.content_type or self.declared_type.partition(";")[0].strip().lower()

    @property
    def family(self) -> str:
        """`image`, `audio`, `video` …"""
        return self.shown_type.partition("/")[0]

    @property
    def is_picture(self) -> bool:
        return self.shown_type.startswith("image/") and not self.is_empty

    @property
    def is_empty(self) -> bool:
        return self.size == 0

    @property
    def is_playable(self) -> bool:
        """Whether browsers can play it, if it is a recording."""
        return self.shown_type not in media_types.UNPLAYABLE

    @property
    def label(self) -> str:
        return media_types.label_of(self.shown_type, self.filename)

    @property
    def download_name(self) -> str:
        """The name its sender gave, else what it is and when it was written."""
        if self.filename:
            return self.filename
        written = localtime(self.event.written_at)
        extension = media_types.extension_of(self.shown_type, self.declared_type)
        return f"{media_types.stem_of(self.shown_type)}-{written:%Y-%m-%d-%H%M}{extension}"
