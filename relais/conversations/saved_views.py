"""Saved views: a name for the filters of the list of all conversations, for oneself or for everyone.

A view holds filters only. What it lists is always within the reach of whoever opens it.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField, NotAllowed
from relais.conversations.models import SavedView
from relais.text import has_visible_characters

MAX_NAME_CHARACTERS = 60
MAX_QUERY_CHARACTERS = 500
MAX_VIEWS_PER_USER = 50
CURSORS = ("after", "before")


def clean_query(text: str) -> str:
    """The filters of a query string in one spelling: without cursors and empty fields, ordered by name."""
    fields = sorted((name, value) for name, value in QueryDict(text.lstrip("?")).items() if value)
    return urlencode([(name, value) for name, value in fields if name not in CURSORS])


def views_for(user: User) -> QuerySet[SavedView]:
    """One's own, and those that others share."""
    return SavedView.objects.filter(Q(owner=user) | Q(is_shared=True)).select_related("owner")


def save_view(user: User, *, name: str, query: str, is_shared: bool, at: datetime) -> SavedView:
    """Saving under a name of one's own again replaces that view. Raises InvalidField."""
    name, query = " ".join(name.split()), clean_query(query)
    if not has_visible_characters(name) or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidField(
            "name", _("Donnez un nom de %(longest)s caractères au plus.") % {"longest": MAX_NAME_CHARACTERS}
        )
    if not query or len(query) > MAX_QUERY_CHARACTERS:
        raise InvalidField("query", _("Choisissez d'abord des filtres."))
    own = SavedView.objects.filter(owner=user)
    if own.exclude(name=name).count() >= MAX_VIEWS_PER_USER:
        raise InvalidField(
            "too_many", _("Vous avez déjà %(count)s vues : supprimez-en une.") % {"count": MAX_VIEWS_PER_USER}
        )
    view, _is_new = SavedView.objects.update_or_create(
        owner=user, name=name, defaults={"query": query, "is_shared": is_shared, "saved_at": at}
    )
    return view


def delete_view(view: SavedView, *, by: User) -> None:
    """Its owner; a supervisor, too, those that everyone sees."""
    if view.owner_id != by.pk and not by.is_supervisor:
        raise NotAllowed(_("Seul son auteur ou un superviseur peut supprimer cette vue."))
    view.delete()
