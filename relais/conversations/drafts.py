"""Drafts: the unsent text of each user in each conversation, on the server, so that another device continues it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.conversations.models import Conversation, Draft
from relais.text import has_visible_characters

MAX_DRAFT_CHARACTERS = 20_000
MAX_MARKED_ROWS = 500


@transaction.atomic
def save_draft(
    conversation: Conversation, text: str, *, user: User, at: datetime, ref: str | None = None
) -> None:
    """Store the draft; an invisible text removes it. `ref` is the key that the message will be sent with.

    A draft whose `ref` was sent is not stored: the request that saved it was overtaken by the one that sent it. The
    lock on the conversation puts the two in order. Raises InvalidField.
    """
    if len(text) > MAX_DRAFT_CHARACTERS:
        raise InvalidField(
            "too_long",
            _("Ce brouillon dépasse %(longest)s caractères et n'est pas enregistré.")
            % {"longest": MAX_DRAFT_CHARACTERS},
        )
    locked = conversation.locked()
    if ref and locked.deliveries.filter(ref=ref).exists():
        return
    if not has_visible_characters(text):
        locked.drafts.filter(user=user).delete()
        return
    Draft.objects.update_or_create(
        user=user, conversation=locked, defaults={"text": text, "ref": ref or "", "saved_at": at}
    )


def draft_of(user: User, conversation: Conversation) -> Draft | None:
    return Draft.objects.filter(user=user, conversation=conversation).first()


def conversations_with_draft(user: User) -> list[int]:
    """The ids of open conversations in reach in which this user has a draft, the newest drafts first."""
    drafts = Draft.objects.filter(user=user, conversation__in=user.reachable_conversations().open())
    newest_first = drafts.order_by("-saved_at").values_list("conversation", flat=True)
    return list(newest_first[:MAX_MARKED_ROWS])
