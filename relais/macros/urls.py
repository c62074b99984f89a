"""URLs of macros, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.macros.views import pages, run

MACRO = r"^macros/(?P<pk>[0-9]{1,18})"
CHAT = r"^chat/(?P<pk>[0-9]{1,19})"

urlpatterns = [
    re_path(r"^macros/?$", pages.macros, name="macros"),
    re_path(r"^macros/new/?$", pages.new_macro, name="new_macro"),
    re_path(r"^macros/preview/?$", pages.preview, name="preview_macro_form"),
    re_path(rf"{MACRO}/?$", pages.macro, name="macro"),
    re_path(rf"{MACRO}/delete/?$", pages.delete_macro, name="delete_macro"),
    re_path(rf"{CHAT}/macros/?$", run.picker, name="pick_macro"),
    re_path(rf"{CHAT}/macros/(?P<macro>[0-9]{{1,18}})/?$", run.preview, name="preview_macro"),
    re_path(rf"{CHAT}/macros/(?P<macro>[0-9]{{1,18}})/run/?$", run.run, name="run_macro"),
    re_path(rf"{CHAT}/macro-runs/(?P<run>[0-9]{{1,18}})/undo/?$", run.undo, name="undo_macro"),
]
