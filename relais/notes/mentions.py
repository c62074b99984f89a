"""Finding @mentions in the text of a note: `@` and a colleague's full name, or a first name that only one has."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from relais.accounts.models import User

AT_SIGN = re.compile(r"(?<![\w@/.])@(?=\w)")


@dataclass(frozen=True)
class Mention:
    user: User
    name: str
    """As it is written in the note."""


def find_mentions(text: str, colleagues: Iterable[User]) -> list[Mention]:
    """Each mentioned colleague once, in the order of the text. Of namesakes, all are mentioned."""
    names = _names(colleagues)
    plain_text = _plain(text)
    mentions: dict[int, Mention] = {}
    for sign in AT_SIGN.finditer(text):
        start = sign.end()
        name = next((name for name in names if _is_name_at(plain_text, start, name)), "")
        for user in names.get(name, ()):
            mentions.setdefault(user.pk, Mention(user, text[start : start + len(name)]))
    return list(mentions.values())


def _names(colleagues: Iterable[User]) -> dict[str, list[User]]:
    """Plain names to their users, the longest first."""
    full_names: defaultdict[str, list[User]] = defaultdict(list)
    first_names: defaultdict[str, list[User]] = defaultdict(list)
    for user in colleagues:
        full_name = _plain(str(user))
        full_names[full_name].append(user)
        first_names[full_name.partition(" ")[0]].append(user)
    unique = {name: users for name, users in first_names.items() if len(users) == 1}
    names = unique | full_names
    return {name: names[name] for name in sorted(names, key=len, reverse=True)}


def _is_name_at(text: str, start: int, name: str) -> bool:
    end = start + len(name)
    return text.startswith(name, start) and not text[end : end + 1].isalnum()


def _plain(text: str) -> str:
    """Lower case without accents, character by character, so that positions stay the same."""
    return "".join(unicodedata.normalize("NFD", character)[0].lower()[0] for character in text)
