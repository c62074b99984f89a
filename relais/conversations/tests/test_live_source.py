"""The live source: its plain SQL gives sockets what the querysets give pages."""

import asyncio
from datetime import timedelta

import pytest

from relais.accounts.models import Team, User
from relais.accounts.roles import Role
from relais.conversations.live_source import ConversationSource
from relais.conversations.live_viewers import may_see
from relais.conversations.models import Conversation
from relais.live.pool import connect_to_listen

pytestmark = pytest.mark.django_db(transaction=True)


def from_source(query):
    """What the source returns over a connection of its own."""

    async def run():
        async with await connect_to_listen() as db:
            return await query(ConversationSource(), db)

    return asyncio.run(run())


@pytest.fixture
def everyone(db):
    teams = [None, Team.objects.create(name="Ventes"), Team.objects.create(name="Atelier")]
    return [
        User.objects.create_user(
            email=f"{role}.{number}.{active}@example.com",
            full_name="x",
            role=role,
            team=team,
            is_active=active,
        )
        for role in Role
        for number, team in enumerate(teams)
        for active in (True, False)
    ]


@pytest.fixture
def everything(everyone, fatou_writes, clock):
    """A conversation in every situation, in every team, for one holder of each."""
    conversations = []
    holders = [user for user in everyone if user.is_active and not user.is_supervisor]
    for number, team in enumerate([None, *Team.objects.order_by("pk")]):
        for situation in ("bot", "pending", "held", "unread", "ended"):
            one = fatou_writes("bonjour", address=f"whatsapp:+2126000{number}{len(conversations):05}")
            Conversation.objects.filter(pk=one.pk).update(team=team)
            if situation == "pending":
                one.ask_for_agent(by=_bot(), at=clock.now)
            elif situation != "bot":
                one.take_over(holders[number], at=clock.now)
                one.mark_read_by(holders[number])
            if situation == "unread":
                fatou_writes("encore", address=one.address.address)
            if situation == "ended":
                one.close(holders[number], at=clock.now)
            conversations.append(one)
    return conversations


def _bot():
    from relais.conversations.events import BOT

    return BOT


def test_may_see_equals_reachable_conversations(everyone, everything):
    viewers = from_source(lambda source, db: source.viewers(db, [user.pk for user in everyone]))
    versions = from_source(lambda source, db: source.versions(db, [one.pk for one in everything]))
    for user in everyone:
        reached = {pk for pk, version in versions.items() if may_see(viewers[user.pk], version.scope)}
        assert reached == set(user.reachable_conversations().values_list("pk", flat=True)), user.email


def test_open_counts_equal_the_querysets(everyone, everything):
    viewers = from_source(lambda source, db: source.viewers(db, [user.pk for user in everyone]))
    counts = from_source(lambda source, db: source.open_counts(db))
    for user in everyone:
        reach = user.reachable_conversations()
        assert counts.for_viewer(viewers[user.pk]) == {
            "active": reach.attended().count(),
            "bot": reach.with_bot().count(),
            "held": reach.held().count(),
            "pending": reach.waiting().count(),
            "mine": reach.held_by(user).not_snoozed().count(),
            "snoozed": reach.held_by(user).snoozed().count(),
            "unread_mine": reach.held_by(user).not_snoozed().unread().count(),
            "mentions": 0,
        }, user.email


def test_a_viewer_has_the_fields_of_the_user(awa, sales):
    User.objects.filter(pk=awa.pk).update(team=sales, language="en")
    awa.refresh_from_db()
    viewer = from_source(lambda source, db: source.viewers(db, [awa.pk]))[awa.pk]
    for name in ("id", "password", "is_active", "language", "role", "team_id"):
        assert getattr(viewer, name) == getattr(awa, name)


def test_every_rev_of_a_conversation_has_a_change(held_by_awa, awa, fatou_writes, clock):
    fatou_writes("bonjour")
    held_by_awa.send_as_agent("oui ?", agent=awa, at=clock.now)
    batch = from_source(lambda source, db: source.changes(db, {held_by_awa.pk: 0}, 100))[held_by_awa.pk]
    held_by_awa.refresh_from_db()
    assert batch.version.rev == held_by_awa.rev
    assert {change.rev for change in batch.changes} == set(range(1, held_by_awa.rev + 1))
    assert [change.rev for change in batch.changes] == sorted(change.rev for change in batch.changes)


def test_a_scheduled_message_comes_once_as_it_is_by_now(held_by_awa, awa, clock):
    since = Conversation.objects.get(pk=held_by_awa.pk).rev
    hour = timedelta(hours=1)
    message = held_by_awa.schedule("À demain", agent=awa, send_at=clock.now + hour, at=clock.now)
    message.edit(by=awa, at=clock.now, text="À lundi")

    def changes(since):
        batch = from_source(lambda source, db: source.changes(db, {held_by_awa.pk: since}, 100))
        return batch[held_by_awa.pk].changes

    [change] = changes(since)
    assert (change.kind, change.id, change.rev) == ("scheduled", message.pk, since + 2)
    [html] = ConversationSource().render([change])
    assert "À lundi" in html and "hidden" not in html.partition(">")[0]
    message.leave(at=clock.now + hour)
    kinds = [each.kind for each in changes(change.rev)]
    assert sorted(kinds) == ["delivery", "message", "scheduled"]
    assert kinds.index("message") < kinds.index("scheduled")
    [html] = ConversationSource().render([each for each in changes(since) if each.kind == "scheduled"])
    assert "À lundi" not in html and "hidden" in html.partition(">")[0]


def test_the_latest_versions_come_with_their_team(fatou_writes, sales):
    one = fatou_writes("bonjour")
    Conversation.objects.filter(pk=one.pk).update(team=sales)
    version = from_source(lambda source, db: source.latest_versions(db))[one.pk]
    assert (version.rev, version.scope) == (one.rev, sales.pk)
