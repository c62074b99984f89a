"""The phone's page in the reader's language: that of the link from the desk, else of the language cookie, else French.

The page and its scripts are written in French; `translations` maps each of their sentences, as gettext would. The
double itself knows no language, so the page translates its refusals too.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path

from django.conf import settings
from starlette.requests import Request

FOLDER = Path(__file__).resolve().parent
TAGS = {"fr": "fr-FR", "en": "en-GB", "ar": "ar-MA"}
RIGHT_TO_LEFT = ("ar",)
_TEXTS = re.compile(r"""(?P<before>>|\b(?:title|aria-label|placeholder)=")(?P<text>[^<>"]+)(?=[<"])""")


def language_of(request: Request) -> str:
    for choice in (request.query_params.get("lang"), request.cookies.get(settings.LANGUAGE_COOKIE_NAME)):
        if choice in TAGS:
            return choice
    return "fr"


@cache
def translations(language: str) -> dict[str, str]:
    file = FOLDER / f"translations/{language}.json"
    return json.loads(file.read_text()) if file.exists() else {}


@cache
def translated_page(language: str) -> str:
    words = translations(language)

    def translate(match: re.Match[str]) -> str:
        text = match["text"].replace("&nbsp;", " ")
        sentence = text.strip()
        if sentence not in words:
            return match[0]
        return match["before"] + text.replace(sentence, escape(words[sentence]))

    page = (FOLDER / "templates/emulator/phone.html").read_text()
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    attributes = f'lang="{TAGS[language]}" dir="{direction}" data-words="{escape(json.dumps(words))}"'
    return _TEXTS.sub(translate, page).replace('lang="fr"', attributes, 1)
