"""URL patterns of all pages. Wiring only."""

from django.urls import include, path
from django.views.generic import RedirectView

from relais.conversations.views import pages
from relais.notifications.urls import site_urlpatterns

urlpatterns = [
    path("", RedirectView.as_view(url="/dashboard")),
    *site_urlpatterns,
    path("accounts/", include("relais.accounts.auth_urls")),
    path("dashboard/", include("relais.conversations.urls")),
    path("dashboard/", include("relais.crm.urls")),
    path("dashboard/", include("relais.notes.urls")),
    path("dashboard/", include("relais.search.urls")),
    path("dashboard/", include("relais.accounts.urls")),
    path("dashboard/", include("relais.notifications.urls")),
    path("dashboard/", include("relais.company.urls")),
    path("dashboard/", include("relais.quick_replies.urls")),
    path("dashboard/", include("relais.content_templates.urls")),
    path("dashboard/", include("relais.macros.urls")),
    path("dashboard/", include("relais.routing.urls")),
    path("dashboard/", include("relais.flows.urls")),
    path("dashboard/", include("relais.whatsapp.urls")),
    path("dashboard/", include("relais.ops.watch.urls")),
    path("dashboard/", include("relais.demo.urls")),
    # Last, so that reverse() returns this path: an include defines the same name.
    path("dashboard", pages.overview, name="dashboard"),
]

handler400 = "relais.web.errors.bad_request"
handler403 = "relais.web.errors.forbidden"
handler404 = "relais.web.errors.not_found"
handler429 = "relais.web.errors.too_many_requests"
handler500 = "relais.web.errors.server_error"
