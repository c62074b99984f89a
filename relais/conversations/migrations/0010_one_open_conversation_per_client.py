"""A conversation is a client's with one of our numbers, whichever of his addresses he writes from.

Addresses that are two forms of one number become one, their clients one client.
"""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Count, Max, Q
from django.utils import timezone

OPEN = ("active", "transferred")
NAMES = ("client_full_name", "whatsapp_profile_name", "email", "vin", "carte_vip", "is_client")

# No screen is told of it, and no foreign key is asked anew for each row.
FILL_CLIENTS = """
alter table conversations disable trigger user;
update conversations c set client_id = a.client_id from client_addresses a where a.id = c.address_id;
alter table conversations enable trigger user;
"""
# What was refused until now was refused to all our numbers that the client knew.
MOVE_OPT_OUTS = """
insert into client_opt_outs (address_id, sender, opted_out_at)
select distinct a.id, c.sender, a.opted_out_at
  from client_addresses a join conversations c on c.address_id = a.id
 where a.opted_out_at is not null;
set constraints all immediate;
"""
# Address and client are one reference: whoever moves an address to another client moves its conversations with it, and
# a conversation that is opened meanwhile for the client it had is refused.
ADDRESS_OF_CLIENT = """
alter table conversations add constraint conversation_address_is_of_its_client
  foreign key (address_id, client_id) references client_addresses (id, client_id) on update cascade
"""


def merge_forms_of_numbers(apps: Any, schema_editor: Any) -> None:
    addresses = apps.get_model("clients", "ClientAddress").objects
    doubled = addresses.values("match_key").annotate(n=Count("pk")).filter(n__gt=1)
    for key in list(doubled.values_list("match_key", flat=True)):
        last_used = addresses.filter(match_key=key).annotate(
            written_at=Max("conversations__last_inbound_at")
        )
        kept, *others = last_used.order_by(models.F("written_at").desc(nulls_last=True), "pk")
        for other in others:
            _merge(apps, kept, other)
    schema_editor.execute("set constraints all immediate")


def _merge(apps: Any, kept: Any, other: Any) -> None:
    addresses = apps.get_model("clients", "ClientAddress").objects
    conversations = apps.get_model("conversations", "Conversation").objects
    clients = {kept.client_id, other.client_id}
    _end_all_but_one(apps, conversations.filter(client__in=clients, status__in=OPEN))
    conversations.filter(address=other.pk).update(address=kept.pk)
    conversations.filter(client=other.client_id).update(client=kept.client_id)
    addresses.filter(client=other.client_id).exclude(pk=other.pk).update(client=kept.client_id)
    addresses.filter(pk=other.pk).delete()
    if other.opted_out_at and not kept.opted_out_at:
        addresses.filter(pk=kept.pk).update(opted_out_at=other.opted_out_at)
    if len(clients) > 1:
        _merge_clients(apps, kept.client_id, other.client_id)


def _end_all_but_one(apps: Any, open_ones: Any) -> None:
    """The held one goes on before one that waits, that before one with the bot; of two alike the one last written in."""
    events = apps.get_model("conversations", "ConversationEvent").objects
    goes_on: dict[str, Any] = {}
    at = timezone.now()
    for each in sorted(open_ones, key=_precedence):
        first = goes_on.setdefault(each.sender, each)
        if first is each:
            continue
        events.create(
            conversation_id=each.pk,
            seq=each.seq + 1,
            rev=each.rev + 1,
            event_type="conversation_closed",
            author_kind="system",
            metadata={"tell_client": False, "continues_in": first.pk},
        )
        open_ones.filter(pk=each.pk).update(
            status="completed",
            ended_at=at,
            duration_seconds=max(0, int((at - each.started_at).total_seconds())),
            seq=each.seq + 1,
            rev=each.rev + 1,
            epoch=each.epoch + 1,
        )


def _precedence(conversation: Any) -> tuple[bool, bool, float, int]:
    wrote_at = conversation.last_inbound_at
    return (
        conversation.agent_id is None,
        conversation.status != "transferred",
        -(wrote_at.timestamp() if wrote_at else 0),
        conversation.pk,
    )


def _merge_clients(apps: Any, kept_id: int, other_id: int) -> None:
    clients = apps.get_model("clients", "Client").objects
    kept, other = clients.get(pk=kept_id), clients.get(pk=other_id)
    for name in NAMES:
        mine, others = getattr(kept, name), getattr(other, name)
        if mine in ("", None):
            setattr(kept, name, others)
        elif others not in ("", None, mine):
            kept.attributes.setdefault(f"{name}_2", others)
    for name, value in other.attributes.items():
        if kept.attributes.setdefault(name, value) != value:
            kept.attributes.setdefault(f"{name}_2", value)
    kept.save()
    other.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0009_recent_claims_of_a_number"),
        ("clients", "0002_match_keys_and_opt_outs"),
    ]
    operations = [
        migrations.AddField(
            "conversation",
            "client",
            models.ForeignKey(
                null=True,
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="conversations",
                to="clients.client",
            ),
        ),
        migrations.AlterField(
            "conversation",
            "address",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="conversations",
                to="clients.clientaddress",
            ),
        ),
        migrations.RunSQL(FILL_CLIENTS, migrations.RunSQL.noop),
        migrations.RunPython(merge_forms_of_numbers, migrations.RunPython.noop),
        migrations.RunSQL(MOVE_OPT_OUTS, migrations.RunSQL.noop),
        migrations.AlterField(
            "conversation",
            "client",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="conversations",
                to="clients.client",
            ),
        ),
        migrations.RunSQL(
            ADDRESS_OF_CLIENT,
            "alter table conversations drop constraint conversation_address_is_of_its_client",
        ),
        migrations.RemoveConstraint("conversation", "one_open_conversation_per_channel"),
        migrations.AddConstraint(
            "conversation",
            models.UniqueConstraint(
                fields=["client", "sender"],
                condition=Q(status__in=["active", "transferred"]),
                name="one_open_conversation_per_client",
            ),
        ),
        migrations.RemoveIndex("conversation", "window_of_channel"),
        migrations.AddIndex(
            "conversation",
            models.Index(fields=["client", "sender", "-last_inbound_at"], name="window_of_client"),
        ),
        migrations.AddField("messagedelivery", "sent_to", models.TextField(null=True)),
    ]
