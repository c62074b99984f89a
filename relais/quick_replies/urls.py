"""URLs of quick replies, under /dashboard, with or without a trailing slash."""

from django.urls import re_path

from relais.quick_replies import views

REPLY = r"^quick-replies/(?P<pk>[0-9]{1,18})"

urlpatterns = [
    re_path(r"^quick-replies/?$", views.quick_replies, name="quick_replies"),
    re_path(r"^quick-replies/new/?$", views.new_reply, name="new_quick_reply"),
    re_path(r"^quick-replies/preview/?$", views.preview, name="preview_quick_reply"),
    re_path(r"^quick-replies/export/?$", views.export_replies, name="export_quick_replies"),
    re_path(r"^quick-replies/import/?$", views.import_page, name="import_quick_replies"),
    re_path(r"^quick-replies/files/(?P<pk>[0-9]{1,18})/?$", views.reply_file, name="quick_reply_file"),
    re_path(rf"{REPLY}/?$", views.quick_reply, name="quick_reply"),
    re_path(rf"{REPLY}/delete/?$", views.delete_reply, name="delete_quick_reply"),
    re_path(rf"{REPLY}/use/?$", views.use_reply, name="use_quick_reply"),
]
