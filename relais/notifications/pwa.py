"""The files that make the site installable: the manifest and the service worker with its offline page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language_bidi
from django.utils.translation import gettext as _

from relais.company import company_settings
from relais.web.language_tags import language_tag

SCRIPT = Path(__file__).with_name("service_worker.js")
BACKGROUND_COLOUR = "#f7f8fa"
THEME_COLOUR = "#1b2c55"
"""The background of the favicon."""
SHELL_FILES = ("css/relais.css", "js/theme.js", "js/offline_page.js", "img/favicon.svg")
"""What the offline page loads."""
ICONS = (
    ("icon-192.png", 192, "any"),
    ("icon-512.png", 512, "any"),
    ("icon-maskable-512.png", 512, "maskable"),
)


def manifest() -> dict[str, Any]:
    return {
        "id": "/",
        "name": f"Relais · {company_settings.brand()}",
        "short_name": "Relais",
        "description": _("Les conversations WhatsApp de l'entreprise : le bot, l'équipe, un seul fil."),
        "lang": language_tag(),
        "dir": "rtl" if get_language_bidi() else "ltr",
        "start_url": reverse("dashboard"),
        "scope": "/",
        "display": "standalone",
        "background_color": BACKGROUND_COLOUR,
        "theme_color": THEME_COLOUR,
        "icons": [
            {
                "src": static(f"img/{name}"),
                "sizes": f"{size}x{size}",
                "type": "image/png",
                "purpose": purpose,
            }
            for name, size, purpose in ICONS
        ],
        "shortcuts": [{"name": _("En attente"), "url": reverse("pending")}],
    }


def service_worker() -> str:
    """The script with the version of its cache, which changes with the offline page, its language or its files."""
    offline_path = reverse("offline")
    page = offline_page()
    script = SCRIPT.read_text()
    shell = [offline_path, *(static(name) for name in SHELL_FILES)]
    version = hashlib.sha256(json.dumps([script, page, shell]).encode()).hexdigest()[:16]
    constants = {
        "VERSION": version,
        "OFFLINE_PAGE": offline_path,
        "SHELL": shell,
        "ICON": static("img/icon-192.png"),
        "BADGE": static("img/icon-badge-96.png"),
    }
    lines = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    return "\n".join([*lines, script])


def offline_page() -> str:
    """Rendered without a request, so that it can contain nothing of a user."""
    return render_to_string("notifications/offline.html")
