"""The page on which an admin removes the sample conversations: it asks once."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from relais.accounts import audit
from relais.accounts.permissions import AuthenticatedRequest, role_required
from relais.accounts.roles import Role
from relais.demo.models import SampleData
from relais.demo.removal import RemovedSamples, remove_sample_data
from relais.web.errors import wants_json
from relais.web.responses import success_response


@role_required(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def demo_contents(request: AuthenticatedRequest) -> HttpResponse:
    if not settings.DEMO:
        raise Http404
    if request.method != "POST":
        samples = SampleData.objects.filter(removed_at=None).first()
        count = len(samples.conversations) if samples else 0
        return render(request, "demo/clear.html", {"count": count})
    removed = remove_sample_data(at=timezone.now())
    audit.record("demo emptied", actor=request.user.pk, count=removed.conversations)
    if wants_json(request):
        return success_response(conversations=removed.conversations, clients=removed.clients)
    messages.success(request, result_sentence(removed))
    return redirect("demo_contents")


def result_sentence(removed: RemovedSamples) -> str:
    if not removed.conversations:
        return _("La démonstration est déjà vide.")
    return ngettext(
        "%(count)s conversation de démonstration retirée.",
        "%(count)s conversations de démonstration retirées.",
        removed.conversations,
    ) % {"count": removed.conversations}
