"""The settings page, under /dashboard, with or without a slash at the end."""

from django.urls import re_path

from relais.company import views

urlpatterns = [
    re_path(r"^settings/?$", views.company, name="settings"),
    re_path(r"^settings/test/?$", views.test_message, name="test_message"),
]
