"""URLs of notes, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.notes import views

CHAT = r"^chat/(?P<pk>[0-9]{1,19})"
NOTE = r"^notes/(?P<note>[0-9]{1,19})"

urlpatterns = [
    re_path(rf"{CHAT}/notes/?$", views.add_note, name="add_note"),
    re_path(rf"{CHAT}/colleagues/?$", views.colleagues, name="colleagues"),
    re_path(rf"{NOTE}/?$", views.note, name="note"),
    re_path(rf"{NOTE}/delete/?$", views.delete_note, name="delete_note"),
    re_path(r"^mentions/?$", views.mentions, name="mentions"),
]
