"""The flows' pages, under /dashboard, with or without a slash at the end."""

from django.urls import re_path

from relais.flows import path_views, views

FLOW = r"^flows/(?P<pk>[0-9]{1,18})"
REVISION = rf"{FLOW}/revisions/(?P<number>[0-9]{{1,9}})"

urlpatterns = [
    re_path(r"^flows/?$", views.flows, name="flows"),
    re_path(r"^flows/import/?$", views.import_flow, name="import_flow"),
    re_path(rf"{FLOW}/?$", views.flow, name="flow"),
    re_path(rf"{FLOW}/import/?$", views.import_revision, name="import_revision"),
    re_path(rf"{FLOW}/answers/?$", views.answer_clients, name="answer_clients"),
    re_path(rf"{FLOW}/sid/?$", views.change_sid, name="change_sid"),
    re_path(rf"{REVISION}/export/?$", views.export, name="export_revision"),
    re_path(rf"{REVISION}/publish/?$", views.publish, name="publish_revision"),
    re_path(rf"{REVISION}/try/?$", views.attempt, name="try_revision"),
    re_path(r"^chat/(?P<pk>[0-9]{1,18})/path/?$", path_views.path, name="path"),
]
