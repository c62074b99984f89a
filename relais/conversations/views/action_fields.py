"""Fields of the requests of actions: the agent, team or event that is meant, and the choices that come with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import InvalidField
from relais.conversations.models import Conversation, ConversationEvent
from relais.files import errors, fetch_links
from relais.files.channel_types import MAX_FILES_PER_SEND
from relais.files.file_tokens import files_of_tokens
from relais.files.uploads import OutgoingFile, store_uploads, upload_refusal
from relais.web.not_found import get_or_404
from relais.web.request_fields import id_field, parse_id, text_field, text_list_field
from relais.web.responses import AgentRequest

MAX_TRANSFER_NOTE_CHARACTERS = 500


def event_field(request: AgentRequest, conversation: Conversation) -> ConversationEvent:
    return get_or_404(conversation.events, pk=id_field(request, "event"))


def agent_field(request: AgentRequest) -> User:
    return _active_agent(id_field(request, "agent"))


def _active_agent(pk: int) -> User:
    agent = User.objects.active().filter(pk=pk).first()
    if agent is None:
        raise InvalidField("agent", _("Choisissez un agent dans la liste."))
    return agent


def recipient_field(request: AgentRequest) -> User | Team:
    """`agent` or `team`; in the page's form both are one list, `to`, with values as `agent:5`."""
    kind, _separator, chosen = text_field(request, "to").partition(":")
    if kind == "agent" or not (kind == "team" or text_field(request, "team").strip()):
        return _active_agent(parse_id(chosen) or id_field(request, "agent"))
    team = Team.objects.filter(pk=parse_id(chosen) or id_field(request, "team")).first()
    if team is None:
        raise InvalidField("team", _("Choisissez une équipe dans la liste."))
    return team


def transfer_note_field(request: AgentRequest) -> str:
    return text_field(request, "note").strip()[:MAX_TRANSFER_NOTE_CHARACTERS]


def files_to_send(request: AgentRequest, *, check: Callable[[], None], at: datetime) -> list[OutgoingFile]:
    """Stored files that `stored_file` names by their token, then the uploaded `files`, checked and stored.

    Raises FileRefused, and what `check` raises before an upload is stored. A file or a number of files that is too
    large is refused while it still arrives (`http_server/upload_spool.py`).
    """
    if refusal := upload_refusal(request):
        raise refusal
    if unknown := sorted(set(request.FILES) - {"files"}):
        raise InvalidField(
            "files",
            _("Le champ « %(name)s » n'est pas lu : envoyez les fichiers dans « files ».")
            % {"name": unknown[0]},
        )
    tokens = [token for token in text_list_field(request, "stored_file") if token]
    uploads = request.FILES.getlist("files")
    if not tokens and not uploads:
        return []
    if len(tokens) + len(uploads) > MAX_FILES_PER_SEND:
        raise errors.too_many_files()
    if not fetch_links.is_reachable():
        raise errors.unreachable()
    check()
    stored = files_of_tokens(tokens, user_id=request.user.pk)
    return [*stored, *store_uploads(uploads, at=at)]


def undo_seconds_field(request: AgentRequest) -> int:
    """The page asks for time to undo; a program that does not is served at once."""
    return request.user.undo_seconds if text_field(request, "undo") else 0


def notify_client_field(request: AgentRequest) -> bool | None:
    """None if not given: then the conversation's situation decides."""
    return {
        "1": True,
        "true": True,
        "True": True,
        "on": True,
        "0": False,
        "false": False,
        "False": False,
    }.get(text_field(request, "tell_client"))
