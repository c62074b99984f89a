"""The expected refusals of this room. `str()` is a sentence for the person who tried; any other error is a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relais.action_errors import ActionRefused
from relais.conversations.refusal_texts import conflict_sentence, write_blocked_sentence
from relais.conversations.states import Situation

if TYPE_CHECKING:
    from relais.conversations.models import Conversation


class StateConflict(ActionRefused):
    """Another person was faster, or the conversation is not in a state that allows the verb (HTTP 409).

    `code` is `held` (by `agent`), `ended`, `wrong_state`, or a more exact one.
    """

    http_status = 409

    def __init__(self, conversation: Conversation, sentence: str = "", code: str = "") -> None:
        self.agent = conversation.agent if conversation.situation is Situation.HELD else None
        self.status = conversation.status
        self.code = code or ("held" if self.agent else "ended" if not conversation.is_open else "wrong_state")
        super().__init__(sentence or conflict_sentence(conversation))


class CannotSend(ActionRefused):
    """The text cannot go to this address now; `code` says why, one of those in `refusal_texts.py` (HTTP 422)."""

    def __init__(self, code: str, *, opt_out_source: str = "") -> None:
        self.code = code
        super().__init__(write_blocked_sentence(code, opt_out_source))


def refusal_reason(refusal: ActionRefused) -> str:
    """The reason that a refused delivery stores."""
    if isinstance(refusal, StateConflict):
        return "ended" if refusal.code == "ended" else "taken_over"
    return refusal.code
