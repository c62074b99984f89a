"""URLs of the client directory, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.crm.views import editing, exporting, importing, merging, pages

IMPORT = r"^clients/imports/(?P<import_id>[0-9]{1,18})"
CLIENT = r"^clients/(?P<client_id>[0-9]{1,18})"

urlpatterns = [
    re_path(r"^clients/?$", pages.clients, name="clients"),
    re_path(r"^clients/export/?$", exporting.export_clients, name="export_clients"),
    re_path(r"^clients/import/?$", importing.upload, name="import_clients"),
    re_path(rf"{IMPORT}/?$", importing.client_import, name="client_import"),
    re_path(rf"{IMPORT}/discard/?$", importing.discard, name="discard_client_import"),
    re_path(rf"{IMPORT}/progress/?$", importing.progress, name="client_import_progress"),
    re_path(rf"{IMPORT}/refused/?$", importing.refused_rows, name="client_import_refused"),
    re_path(rf"{CLIENT}/?$", pages.client, name="client"),
    re_path(rf"{CLIENT}/timeline/?$", pages.timeline, name="client_timeline"),
    re_path(rf"{CLIENT}/merge/?$", merging.merge, name="merge_client"),
    re_path(rf"{CLIENT}/not-duplicate/?$", merging.dismiss, name="dismiss_duplicate"),
    re_path(r"^merges/(?P<merge_id>[0-9]{1,18})/undo/?$", merging.undo, name="undo_merge"),
    re_path(rf"{CLIENT}/details/?$", editing.details, name="client_details"),
    re_path(rf"{CLIENT}/edit/?$", editing.edit, name="edit_client"),
    re_path(rf"{CLIENT}/tags/?$", editing.tags, name="client_tags"),
    re_path(rf"{CLIENT}/notes/?$", editing.notes, name="client_notes"),
    re_path(rf"{CLIENT}/notes/(?P<note_id>[0-9]{{1,18}})/?$", editing.delete_note, name="delete_client_note"),
]
