"""URLs of the settings page, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.company import views

urlpatterns = [
    re_path(r"^settings/?$", views.edit_settings, name="settings"),
    re_path(r"^settings/test/?$", views.test_message, name="test_message"),
]
