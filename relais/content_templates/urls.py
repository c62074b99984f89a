"""URLs of templates, under /dashboard, with or without a trailing slash. `templates/sync` is in `relais.whatsapp`."""

from django.urls import re_path

from relais.content_templates import views

urlpatterns = [re_path(r"^templates/?$", views.templates, name="templates")]
