"""URLs of routing, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.routing.views import presence

urlpatterns = [
    re_path(r"^presence/?$", presence.presence, name="presence"),
]
