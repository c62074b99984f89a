"""What sockets are told by plain SQL is what pages are told by Django."""

import asyncio

import pytest

from relais.accounts.models import Role, Team, User
from relais.conversations.live_source import Feed, may_see
from relais.conversations.models import Conversation
from relais.live.pool import connect

pytestmark = pytest.mark.django_db(transaction=True)


def asked(question):
    """What the feed answers over a connection of its own."""

    async def ask():
        async with await connect() as db:
            return await question(Feed(), db)

    return asyncio.run(ask())


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
        for role in Role.values
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
                one.read_by(holders[number])
            if situation == "unread":
                fatou_writes("encore", address=one.address.address)
            if situation == "ended":
                one.close(holders[number], at=clock.now)
            conversations.append(one)
    return conversations


def _bot():
    from relais.conversations.events import BOT

    return BOT


def test_who_may_see_what_is_decided_alike(everyone, everything):
    viewers = asked(lambda feed, db: feed.viewers(db, [user.pk for user in everyone]))
    heads = asked(lambda feed, db: feed.heads(db, [one.pk for one in everything]))
    for user in everyone:
        reached = {pk for pk, head in heads.items() if may_see(viewers[user.pk], head.place)}
        assert reached == set(user.reachable_conversations().values_list("pk", flat=True)), user.email


def test_numbers_are_counted_alike(everyone, everything):
    viewers = asked(lambda feed, db: feed.viewers(db, [user.pk for user in everyone]))
    numbers = asked(lambda feed, db: feed.tally(db))
    for user in everyone:
        reach = user.reachable_conversations()
        assert numbers.of(viewers[user.pk]) == {
            "active": reach.attended().count(),
            "bot": reach.with_bot().count(),
            "held": reach.held().count(),
            "pending": reach.waiting().count(),
            "mine": reach.held_by(user).count(),
            "unread_mine": reach.held_by(user).unread().count(),
        }, user.email


def test_a_viewer_is_the_user_as_he_is(awa, sales):
    User.objects.filter(pk=awa.pk).update(team=sales, language="en")
    awa.refresh_from_db()
    viewer = asked(lambda feed, db: feed.viewers(db, [awa.pk]))[awa.pk]
    for name in ("id", "password", "is_active", "language", "role", "team_id"):
        assert getattr(viewer, name) == getattr(awa, name)


def test_every_rev_of_a_conversation_is_accounted_for(held_by_awa, awa, fatou_writes, clock):
    fatou_writes("bonjour")
    held_by_awa.say_as_agent("oui ?", agent=awa, at=clock.now)
    changes = asked(lambda feed, db: feed.changes(db, {held_by_awa.pk: 0}, 100))[held_by_awa.pk]
    held_by_awa.refresh_from_db()
    assert changes.head.rev == held_by_awa.rev
    assert {mark.rev for mark in changes.marks} == set(range(1, held_by_awa.rev + 1))
    assert [mark.rev for mark in changes.marks] == sorted(mark.rev for mark in changes.marks)


def test_the_threads_that_moved_last_come_with_where_they_stand(fatou_writes, sales):
    one = fatou_writes("bonjour")
    Conversation.objects.filter(pk=one.pk).update(team=sales)
    head = asked(lambda feed, db: feed.latest(db))[one.pk]
    assert (head.rev, head.place) == (one.rev, sales.pk)
