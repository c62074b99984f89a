"""Fewer indexes for each message to pay for, and those that the lists need at a million conversations.

Made and dropped beside the running work (concurrently), one after the other: whoever interrupts it may start it again.
"""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

from relais.conversations.index_anew import AddIndexAnew

# What Django made for each relation and each unique text. The former stand first in another index of the same table;
# the latter would serve `like 'x%'`, which nobody asks of a sid.
BESIDE_ANOTHER = {
    "conversations_address_id_b24834f6": "conversations (address_id)",
    "conversations_agent_id_63ff5cce": "conversations (agent_id)",
    "conversations_team_id_0bb97dc0": "conversations (team_id)",
    "conversation_events_conversation_id_81307fba": "conversation_events (conversation_id)",
    "conversation_events_resend_of_id_099cb632": "conversation_events (resend_of_id)",
    "conversation_events_message_sid_52a67382_like": "conversation_events (message_sid text_pattern_ops)",
    "message_deliveries_conversation_id_116b6454": "message_deliveries (conversation_id)",
    "message_deliveries_sid_af2e3c0c_like": "message_deliveries (sid text_pattern_ops)",
    "media_event_id_0d9871e5": "media (event_id)",
}


def _dropped(name: str, on: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"drop index concurrently if exists {name}", f"create index concurrently if not exists {name} on {on}"
    )


def _without_index(model: str, name: str, to: str, **options: Any) -> migrations.AlterField:
    return migrations.AlterField(model, name, models.ForeignKey(to=to, db_index=False, **options))


PROTECT, SET_NULL = django.db.models.deletion.PROTECT, django.db.models.deletion.SET_NULL
EMPTY: dict[str, Any] = {"null": True, "blank": True, "on_delete": SET_NULL}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("conversations", "0003_moves_between_teams_are_told"),
        ("accounts", "0001_initial"),
        ("clients", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        AddIndexAnew(
            "conversation",
            models.Index(
                fields=["transferred_at", "id"],
                condition=Q(status="transferred", agent=None),
                name="waiting_conversations",
            ),
        ),
        AddIndexAnew(
            "conversation",
            models.Index(
                fields=["-last_activity_at", "-id"],
                condition=Q(status__in=["completed", "timeout", "abandoned"]),
                include=["team"],
                name="ended_conversations",
            ),
        ),
        AddIndexAnew(
            "conversation",
            models.Index(
                fields=["agent", "-last_activity_at", "-id"],
                condition=Q(agent__isnull=False),
                name="conversations_by_agent",
            ),
        ),
        AddIndexAnew(
            "conversation",
            models.Index(fields=["team"], condition=Q(team__isnull=False), name="conversations_of_team"),
        ),
        RemoveIndexConcurrently("conversation", "conversations_of_agent"),
        AddIndexAnew(
            "conversationevent",
            models.Index(fields=["resend_of"], condition=Q(resend_of__isnull=False), name="resends"),
        ),
        AddIndexAnew(
            "conversationevent",
            models.Index(
                fields=["conversation"], condition=Q(metadata__has_key="media"), name="events_with_media"
            ),
        ),
        AddIndexAnew(
            "messagedelivery",
            models.Index(
                fields=["conversation"], condition=Q(state__in=["failed", "uncertain"]), name="troubled_deliveries"
            ),
        ),
        *(_dropped(name, on) for name, on in BESIDE_ANOTHER.items()),
        # Django would drop each foreign key for this and prove it anew over the whole table.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                _without_index(
                    "conversation", "address", "clients.clientaddress", on_delete=PROTECT, related_name="conversations"
                ),
                _without_index("conversation", "agent", settings.AUTH_USER_MODEL, related_name="conversations", **EMPTY),
                _without_index("conversation", "team", "accounts.team", related_name="conversations", **EMPTY),
                _without_index(
                    "conversationevent",
                    "conversation",
                    "conversations.conversation",
                    on_delete=PROTECT,
                    related_name="events",
                ),
                _without_index(
                    "conversationevent",
                    "resend_of",
                    "conversations.conversationevent",
                    null=True,
                    on_delete=PROTECT,
                    related_name="resends",
                ),
                _without_index(
                    "messagedelivery",
                    "conversation",
                    "conversations.conversation",
                    on_delete=PROTECT,
                    related_name="deliveries",
                ),
                _without_index(
                    "media", "event", "conversations.conversationevent", on_delete=PROTECT, related_name="media"
                ),
            ]
        ),
    ]
