"""The page « État », under /dashboard, with or without a slash at the end."""

from django.urls import re_path

from relais.ops.watch import views

urlpatterns = [
    re_path(r"^state/?$", views.state, name="state"),
    re_path(r"^state/light/?$", views.state_light, name="state_light"),
]
