"""The page of all tags, for supervisors: rename, recolour, merge and delete."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from relais.accounts.permissions import MANAGE_TAGS, AuthenticatedRequest, role_required
from relais.action_errors import ActionRefused
from relais.conversations.tags import MAX_TAG_CHARACTERS, Tag, TagColor
from relais.web.not_found import get_or_404
from relais.web.request_fields import id_field, text_field


@role_required(MANAGE_TAGS)
@require_safe
def tag_settings(request: AuthenticatedRequest) -> HttpResponse:
    context = {
        "tags": Tag.objects.with_numbers().in_order(),
        "colors": TagColor.choices,
        "max_characters": MAX_TAG_CHARACTERS,
    }
    return render(request, "conversations/tag_settings.html", context)


@role_required(MANAGE_TAGS)
@require_POST
def edit_tag(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    tag = get_or_404(Tag, pk=pk)
    name, color = text_field(request, "name"), text_field(request, "color")
    return _perform(
        request,
        lambda: tag.edit(name=name, color=color, by=request.user),
        lambda: _("Étiquette « %(tag)s » enregistrée.") % {"tag": tag},
    )


@role_required(MANAGE_TAGS)
@require_POST
def merge_tag(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    tag = get_or_404(Tag, pk=pk)
    other = get_or_404(Tag, pk=id_field(request, "into"))
    return _perform(
        request,
        lambda: tag.merge_into(other, by=request.user),
        lambda: _("« %(tag)s » est fusionnée dans « %(other)s ».") % {"tag": tag, "other": other},
    )


@role_required(MANAGE_TAGS)
@require_POST
def delete_tag(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    tag = get_or_404(Tag, pk=pk)
    return _perform(
        request,
        lambda: tag.remove(by=request.user),
        lambda: _("Étiquette « %(tag)s » supprimée.") % {"tag": tag},
    )


def _perform(
    request: AuthenticatedRequest, action: Callable[[], None], success_message: Callable[[], str]
) -> HttpResponse:
    try:
        action()
    except ActionRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, success_message())
    return redirect("tag_settings")
