"""A client's answers to a yes/no question, in words or by number. Pure: the trial of a flow uses it, too."""

from __future__ import annotations

_YES_NO_ANSWERS = {
    **dict.fromkeys(("oui", "yes", "1"), True),
    **dict.fromkeys(("non", "no", "2"), False),
}


def yes_or_no(text: str) -> bool | None:
    """An answer to a yes/no question, by word or by its number in the menu; None when it is neither."""
    return _YES_NO_ANSWERS.get(text.strip().casefold())
