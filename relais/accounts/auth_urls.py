"""The URLs of allauth that are enabled: sign-in, sign-out, password change and password reset."""

from allauth.account import views
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, re_path

from relais.accounts.language import choose_language


def disabled(request: HttpRequest) -> HttpResponse:
    """allauth reverses these names in its pages, so they must exist; they answer 404."""
    raise Http404


urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("language/", choose_language, name="language"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("signup/", disabled, name="account_signup"),
    path("password/set/", disabled, name="account_set_password"),
    path("email/", disabled, name="account_email"),
]
