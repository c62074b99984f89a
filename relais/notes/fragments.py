"""The HTML of a note in the history, the same for every viewer: pages, responses and live frames share it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from relais.notes.models import Note
from relais.web.linkify import linkify


def note(note: Note) -> str:
    """Its mentions are read, so prefetch them for more than one note."""
    mentions = list(note.mentions.all())
    context = {
        "note": note,
        "text": highlight_mentions(linkify(note.body), [mention.name for mention in mentions]),
        "mentioned": " ".join(str(mention.user_id) for mention in mentions),
    }
    return render_to_string("notes/_note.html", context)


def highlight_mentions(html: SafeString, names: Iterable[str]) -> SafeString:
    escaped = sorted({escape(name) for name in names}, key=len, reverse=True)
    if not escaped:
        return html
    # In escaped text: `/` keeps it out of the addresses of links.
    pattern = rf"(?<![\w@/.])@(?:{'|'.join(re.escape(name) for name in escaped)})(?!\w)"
    return mark_safe(re.sub(pattern, r'<span class="note__mention">\g<0></span>', html))  # noqa: S308
