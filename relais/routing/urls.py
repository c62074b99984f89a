"""URLs of routing, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.routing.views import next_client, presence

urlpatterns = [
    re_path(r"^presence/?$", presence.presence, name="presence"),
    re_path(r"^next/?$", next_client.next_client, name="next_client"),
]
