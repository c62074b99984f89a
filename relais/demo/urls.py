"""The page that empties a demo, under /dashboard, with or without a trailing slash. Not found outside a demo."""

from django.urls import re_path

from relais.demo import views

urlpatterns = [re_path(r"^settings/demo/?$", views.demo_contents, name="demo_contents")]
