"""Every page's address. Wiring only."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("dashboard/", include("relais.conversations.urls")),
    path("dashboard/", include("relais.accounts.urls")),
    path("dashboard/", include("relais.company.urls")),
    path("dashboard/", include("relais.whatsapp.urls")),
]
