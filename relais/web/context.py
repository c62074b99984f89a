"""The context processor of all pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from relais.company import company_settings
from relais.web.sidebar import section_at, sections_for


def page(request: HttpRequest) -> dict[str, Any]:
    return {
        "demo": settings.DEMO,
        "languages": settings.LANGUAGES,
        # Lazy, so that pages that do not show them, such as error pages, need no database.
        "brand": SimpleLazyObject(company_settings.brand),
        "sections": SimpleLazyObject(
            lambda: sections_for(request.user) if request.user.is_authenticated else []
        ),
        "section": section_at(request.path),
    }
