"""Makes the sample conversations at the first start of a demo, by the same verbs as people and the bot use.

The steps of all conversations run in the order of their times, so that ids grow with time as in real use. Everything is
one transaction: nothing is queued for sending when it ends, and no job is left.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import translation

from relais.accounts.models import User
from relais.conversations.models import Conversation
from relais.conversations.tags import Tag
from relais.demo.conversation_builder import ConversationBuilder, Script
from relais.demo.models import SampleData
from relais.demo_accounts import DEMO_ACCOUNTS


def create_sample_data(*, at: datetime) -> bool:
    """Make the sample conversations if none were ever made and there is no other one. True if they were made."""
    if SampleData.objects.exists() or Conversation.objects.exists():
        return False
    from relais.demo.sample_conversations import scripts

    with _without_log(), transaction.atomic(), translation.override("fr"):
        last_job = _last_job_id()
        tags_before = set(Tag.objects.values_list("pk", flat=True))
        builders = _run(scripts(_users()), at)
        _delete_jobs_after(last_job)
        conversations = Conversation.objects.filter(pk__in=[each.pk for each in builders])
        SampleData.objects.create(
            pk=1,
            conversations=sorted(conversations.values_list("pk", flat=True)),
            clients=sorted(set(conversations.values_list("client", flat=True))),
            tags=sorted(set(Tag.objects.values_list("pk", flat=True)) - tags_before),
            created_at=at,
        )
    return True


def _users() -> dict[str, User]:
    """The demo's users by the part of their address before the @."""
    users = User.objects.filter(email__in=DEMO_ACCOUNTS)
    return {user.email.partition("@")[0]: user for user in users}


def _run(scripts: list[tuple[ConversationBuilder, Script]], at: datetime) -> list[ConversationBuilder]:
    steps = [(minutes, builder, step) for builder, script in scripts for minutes, step in script]
    for minutes, builder, step in sorted(steps, key=lambda each: -each[0]):
        builder.at = at - timedelta(minutes=minutes)
        step(builder)
    return [builder for builder, _script in scripts]


@contextmanager
def _without_log() -> Iterator[None]:
    """Two hundred events at once, which did not happen, would only hide what did."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _last_job_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(max(id), 0) from procrastinate_jobs")
        return int(cursor.fetchone()[0])


def _delete_jobs_after(job_id: int) -> None:
    """The bot has run, and nobody is to be notified of what is said to be long ago."""
    with connection.cursor() as cursor:
        cursor.execute("delete from procrastinate_jobs where id > %s", [job_id])
