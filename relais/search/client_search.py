"""Clients by name, e-mail, number, VIN or VIP card, each by a part of it, within the reach of a user."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db import OperationalError, models
from django.db.models import Exists, F, Func, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from psycopg.errors import QueryCanceled

from relais.accounts.models import User
from relais.clients.models import Client
from relais.clients.search import addresses_by_number, clients_by_name, clients_with_tag
from relais.conversations.client_reach import clients_within_reach
from relais.conversations.querysets import ConversationQuerySet
from relais.search.excerpts import plain_text
from relais.search.message_search import limit_time, search_session
from relais.search.query import Term
from relais.search.tsquery import CompiledQuery
from relais.text import ascii_digits

MIN_PART_CHARACTERS = 3
"""A shorter part has no trigram, and so no index."""
MAX_CANDIDATES = 300
"""Clients that are compared, to show those first who wrote last."""
TIME_LIMIT_MS = 250
WORDS_OF_NAME = "public.relais_words(client_full_name || ' ' || whatsapp_profile_name) @@ %s::tsquery"
_NUMBER = re.compile(r"[+\d\s().\-/]+")
_SEPARATORS = re.compile(r"[\s.\-]+")


@dataclass(frozen=True)
class FoundClient:
    client: Client
    conversation_id: int | None
    """The last one within reach."""


class NormalizedCardNumber(Func):
    """A card number in lower case without separators, as in the index of migration 0002."""

    template = "translate(lower(%(expressions)s), ' -.', '')"
    output_field = models.TextField()


def search_clients(
    terms: list[Term],
    query: CompiledQuery,
    user: User,
    conversations: ConversationQuerySet,
    *,
    limit: int,
    is_filtered: bool,
    tag: str = "",
) -> list[FoundClient] | None:
    """Those who wrote last first; None when it took too long. Filtered, only clients of these conversations.

    With `tag`, also those who have it and no conversation.
    """
    own = conversations.filter(client=OuterRef("pk"))
    in_reach = clients_within_reach(user)
    if is_filtered:
        is_kept = Q(Exists(own))
        if tag:
            is_kept |= Q(pk__in=clients_with_tag(tag).values("pk"))
        in_reach = in_reach.filter(is_kept)
    newest = own.order_by("-last_activity_at", "-pk")
    try:
        with search_session() as cursor:
            limit_time(cursor, TIME_LIMIT_MS)
            ids: set[int] = set()
            for condition in _conditions(terms, query):
                ids.update(in_reach.filter(condition).values_list("pk", flat=True)[:MAX_CANDIDATES])
            found = (
                Client.objects.filter(pk__in=ids)
                .annotate(
                    conversation_id=Subquery(newest.values("pk")[:1]),
                    last_activity_at=Subquery(newest.values("last_activity_at")[:1]),
                )
                .prefetch_related("addresses")
                .order_by(F("last_activity_at").desc(nulls_last=True), "-pk")
            )
            return [FoundClient(client, client.conversation_id) for client in found[:limit]]
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise


def _conditions(terms: list[Term], query: CompiledQuery) -> list[Q]:
    """One per index: joined by OR, PostgreSQL would use none of them."""
    text = " ".join(term.text.rstrip("*") for term in terms if not term.is_excluded)
    conditions = [_words_of_name(query)]
    # Of other letters there may be no trigrams, depending on the locale of the database: every client would be read.
    if any(len(word) >= MIN_PART_CHARACTERS and word.isascii() for word in plain_text(text).split()):
        conditions.append(Q(pk__in=clients_by_name(text).values("pk")))
    code = _SEPARATORS.sub("", ascii_digits(text))
    if len(code) >= MIN_PART_CHARACTERS and code.isascii():
        conditions += [
            Q(email__icontains="".join(text.split())),
            Q(vin__icontains=code),
            _card_contains(code),
        ]
    if _NUMBER.fullmatch(ascii_digits(text)) and (addresses := addresses_by_number(text)) is not None:
        conditions.append(Q(pk__in=addresses.values("client")))
    return conditions


def _words_of_name(query: CompiledQuery) -> Q:
    """In every script, and in whatever order; also the beginning of the last word."""
    return Q(RawSQL(WORDS_OF_NAME, [query.rank_query], models.BooleanField()))  # noqa: S611


def _card_contains(code: str) -> Q:
    contained = Client.objects.annotate(plain_card=NormalizedCardNumber("carte_vip")).exclude(carte_vip="")
    return Q(pk__in=contained.filter(plain_card__contains=code.lower()).values("pk"))
