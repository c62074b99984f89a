"""The flows' pages, under /dashboard, with or without a slash at the end."""

from django.urls import re_path

from relais.flows.views import execution_path, flow_pages, imports, publishing, trial

FLOW = r"^flows/(?P<pk>[0-9]{1,18})"
REVISION = rf"{FLOW}/revisions/(?P<number>[0-9]{{1,9}})"

urlpatterns = [
    re_path(r"^flows/?$", flow_pages.flow_list, name="flows"),
    re_path(r"^flows/import/?$", imports.import_flow, name="import_flow"),
    re_path(rf"{FLOW}/?$", flow_pages.flow_detail, name="flow"),
    re_path(rf"{FLOW}/import/?$", imports.import_revision, name="import_revision"),
    re_path(rf"{FLOW}/answers/?$", publishing.answer_clients, name="answer_clients"),
    re_path(rf"{FLOW}/sid/?$", publishing.change_sid, name="change_sid"),
    re_path(rf"{REVISION}/export/?$", imports.export_revision, name="export_revision"),
    re_path(rf"{REVISION}/publish/?$", publishing.publish_revision, name="publish_revision"),
    re_path(rf"{REVISION}/try/?$", trial.try_revision, name="try_revision"),
    re_path(r"^chat/(?P<pk>[0-9]{1,18})/path/?$", execution_path.execution_path, name="path"),
]
