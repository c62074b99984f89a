"""The URLs of the status page « État », under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.ops.watch import views

urlpatterns = [
    re_path(r"^state/?$", views.state, name="state"),
    re_path(r"^state/light/?$", views.state_alert_badge, name="state_alert_badge"),
]
