"""What one notification says and to whom, from the row it is about. Texts are in the active language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.accounts.roles import Role
from relais.conversations.models import Conversation, ConversationEvent
from relais.conversations.refusal_texts import withheld_sentence
from relais.conversations.service_window import row_window_closes_at
from relais.conversations.states import DeliveryState, Situation
from relais.notes.models import Note
from relais.notifications.notification_kinds import NotificationKind
from relais.web.times import format_time

MAX_TEXT_CHARACTERS = 140
MAX_TITLE_CHARACTERS = 60
SUPERVISING_ROLES = (Role.SUPERVISOR, Role.ADMIN, Role.SUPER_ADMIN)


@dataclass(frozen=True)
class Notification:
    kind: NotificationKind
    conversation: Conversation
    event: ConversationEvent | None = None
    note: Note | None = None

    @property
    def id(self) -> str:
        """The same for each user and tab."""
        subject = self.event or self.note
        return f"{self.kind.value}:{subject.pk if subject else self.conversation.pk}"

    def title(self) -> str:
        return Truncator(self.conversation.client_name).chars(MAX_TITLE_CHARACTERS)

    def body(self, *, at: datetime, shows_text: bool) -> str:
        written = (
            Truncator(" ".join(self._written().split())).chars(MAX_TEXT_CHARACTERS) if shows_text else ""
        )
        if written and self.kind == NotificationKind.CLIENT_MESSAGE:
            return written
        return "\n".join(filter(None, [self._sentence(at), written]))

    def _written(self) -> str:
        """What a client or colleague wrote, which is shown only to those who chose so."""
        if self.note:
            return self.note.body
        if self.kind in (NotificationKind.TRANSFER, NotificationKind.WAITING):
            return str(self._event_metadata().get("reason") or "")
        return self.event.body if self.event and self.event.is_message else ""

    def _sentence(self, at: datetime) -> str:
        event = self.event
        match self.kind:
            case NotificationKind.CLIENT_MESSAGE:
                return _("Nouveau message de votre client")
            case NotificationKind.WAITING:
                return _("Attend un agent")
            case NotificationKind.MENTION:
                author = self.note.author_name if self.note else ""
                return _("%(author)s vous mentionne dans une note") % {"author": author}
            case NotificationKind.TRANSFER:
                return _("%(author)s vous confie cette conversation") % {
                    "author": event.author_name if event else ""
                }
            case NotificationKind.WINDOW_CLOSING:
                closes_at = row_window_closes_at(self.conversation)
                return _("La fenêtre de 24 h se ferme : %(time)s. Ce client attend une réponse.") % {
                    "time": format_time(closes_at, "moment", now=at) if closes_at else ""
                }
            case NotificationKind.FAILURE:
                return _("Votre message n'est pas parti")
            case NotificationKind.WITHHELD:
                why = withheld_sentence(str(self._event_metadata().get("reason", "")))
                return _("Votre message programmé n'est pas parti. %(why)s") % {"why": why}
        raise AssertionError(self.kind)

    def _event_metadata(self) -> dict[str, Any]:
        return self.event.metadata if self.event else {}

    @property
    def path(self) -> str:
        """The conversation; at the message or the note, if it is about one."""
        path = reverse("chat", args=[self.conversation.pk])
        if self.note:
            return f"{path}#note-{self.note.pk}"
        if self.event and self.kind == NotificationKind.WITHHELD:
            return f"{path}#event-{self.event.pk}"
        return f"{path}#message-{self.event.pk}" if self.event and self.event.is_message else path

    # -- who is told ------------------------------------------------------------------------------------------

    def recipients(self) -> Iterable[User]:
        """Those whom it concerns, as things are now."""
        conversation = self.conversation
        holder = conversation.agent if conversation.situation is Situation.HELD else None
        active_holder = [holder] if holder and holder.is_active else []
        match self.kind:
            case NotificationKind.CLIENT_MESSAGE:
                return active_holder if self._is_unread() else []
            case NotificationKind.TRANSFER:
                given_to = self._event_metadata().get("to")
                is_own = self.event is not None and self.event.author_id == given_to
                return [user for user in active_holder if user.pk == given_to and not is_own]
            case NotificationKind.WINDOW_CLOSING:
                return active_holder if self._is_unanswered() else []
            case NotificationKind.FAILURE:
                author = self.event.author_id if self.event and self._has_failed() else None
                return User.objects.active().filter(pk__in=[author] if author else [])
            case NotificationKind.WITHHELD:
                return self._author_or_holder(active_holder)
            case NotificationKind.WAITING:
                if conversation.situation is not Situation.WAITING:
                    return []
                event = self.event
                by = [event.author_id] if event and event.author_kind == "agent" and event.author_id else []
                return users_who_reach(conversation).exclude(pk__in=by)
            case NotificationKind.MENTION:
                unread = {"note_mentions__note": self.note, "note_mentions__read_at": None}
                return users_who_reach(conversation).filter(**unread)
        raise AssertionError(self.kind)

    def still_concerns(self, user: User) -> bool:
        """Asked again before a push, which leaves later: meanwhile it may have been read, or taken by somebody."""
        if (
            self.kind == NotificationKind.TRANSFER
            and not self.conversation.is_unread
            and self.conversation.last_inbound_seq
        ):
            return False  # he has opened it
        return user in self.recipients()

    def is_too_late(self, *, at: datetime) -> bool:
        """Jobs may run late: nobody can do anything about a window that is closed."""
        closes_at = row_window_closes_at(self.conversation)
        return self.kind == NotificationKind.WINDOW_CLOSING and closes_at is not None and closes_at <= at

    def _is_unanswered(self) -> bool:
        """Also while it is snoozed: a snooze hides the conversation, and the window does not wait for its end."""
        is_last = self.event is None or self.conversation.last_inbound_seq == self.event.seq
        return is_last and self.conversation.unanswered_since is not None

    def _author_or_holder(self, active_holder: Iterable[User]) -> Iterable[User]:
        """Who scheduled it; whoever holds the conversation if that person has left."""
        author = users_who_reach(self.conversation).filter(pk=self._event_metadata().get("agent") or 0)
        return author if author.exists() else active_holder

    def _is_unread(self) -> bool:
        return self.event is None or self.conversation.read_seq < self.event.seq

    def _has_failed(self) -> bool:
        delivery = getattr(self.event, "delivery", None)
        return delivery is not None and delivery.state == DeliveryState.FAILED


def users_who_reach(conversation: Conversation) -> Any:
    """All active users who may see it: the inverse of `User.reachable_conversations()`."""
    if conversation.team_id is None:
        return User.objects.active()
    return User.objects.active().filter(Q(team=conversation.team_id) | Q(role__in=SUPERVISING_ROLES))
