"""URLs of the client directory, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.crm.views import pages

CLIENT = r"^clients/(?P<client_id>[0-9]{1,18})"

urlpatterns = [
    re_path(r"^clients/?$", pages.clients, name="clients"),
    re_path(rf"{CLIENT}/?$", pages.client, name="client"),
    re_path(rf"{CLIENT}/timeline/?$", pages.timeline, name="client_timeline"),
]
