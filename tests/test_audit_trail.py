"""The audit log: each administrative action is logged once, with ids of actor and targets and without names or texts."""

import json
import logging

import pytest

from relais.accounts import audit
from relais.accounts import urls as users_urls
from relais.accounts.models import Team, User
from relais.company import company_settings
from relais.company import urls as settings_urls
from relais.flows import urls as flows_urls
from relais.flows.import_export import import_file
from relais.flows.models import Flow
from relais.ops.log_format import JsonFormatter

pytestmark = pytest.mark.django_db
FLOW_DEFINITION = {
    "states": [
        {
            "name": "Trigger",
            "type": "trigger",
            "properties": {},
            "transitions": [{"event": "incomingMessage", "next": "hello"}],
        },
        {"name": "hello", "type": "send-message", "properties": {"body": "Bonjour"}, "transitions": []},
    ],
    "initial_state": "Trigger",
}
READ_ONLY_VIEWS = {"users", "user_photo", "flows", "flow", "export_revision", "try_revision", "path"}
"""Views of the same apps that change nothing."""


class AuditTrail:
    """Reads the audit log."""

    def __init__(self, caplog, capture):
        self.caplog, self.capture = caplog, capture

    def recorded_by(self, action):
        self.caplog.clear()
        with self.capture(execute=True), self.caplog.at_level(logging.INFO, logger=audit.log.name):
            response = action()
        records = [record for record in self.caplog.records if record.name == audit.log.name]
        fields = [json.loads(JsonFormatter("web").format(record)) for record in records]
        standard_fields = {"at", "level", "logger", "process", "pid"}
        assert all(line.pop("event") == "administration" for line in fields), response
        return [
            {name: value for name, value in line.items() if name not in standard_fields} for line in fields
        ]


@pytest.fixture
def trail(caplog, django_capture_on_commit_callbacks):
    return AuditTrail(caplog, django_capture_on_commit_callbacks)


@pytest.fixture
def nadia_browser(client, nadia):
    client.force_login(nadia)
    return client


@pytest.fixture
def flow(nadia, clock):
    flow = Flow.objects.create(name="Accueil")
    flow.add_revision(FLOW_DEFINITION, by="", at=clock.now).publish(at=clock.now)
    return flow


def user_form(person, **fields):
    return {"full_name": person.full_name, "role": person.role, "team": person.team_id or "", **fields}


def change_user(browser, person, **fields):
    return browser.post(f"/dashboard/users/{person.pk}", user_form(person, **fields))


def test_inviting_a_user(nadia_browser, nadia, trail):
    form = {"full_name": "Ali Omar", "email": "ali@example.com", "role": "agent", "language": "fr"}
    lines = trail.recorded_by(lambda: nadia_browser.post("/dashboard/users/invite", form))
    ali = User.objects.get(email="ali@example.com")
    assert lines == [{"act": "user created", "actor": nadia.pk, "user": ali.pk, "role": "agent"}]


def test_changing_a_role(nadia_browser, nadia, awa, trail):
    lines = trail.recorded_by(lambda: change_user(nadia_browser, awa, role="supervisor"))
    assert lines == [{"act": "role changed", "actor": nadia.pk, "user": awa.pk, "role": "supervisor"}]


def test_creating_assigning_and_removing_a_team(nadia_browser, nadia, awa, trail):
    lines = trail.recorded_by(lambda: change_user(nadia_browser, awa, new_team="Ventes"))
    team = Team.objects.get()
    team_changed = {"act": "team changed", "actor": nadia.pk, "user": awa.pk, "team": team.pk}
    assert lines == [{"act": "team created", "actor": nadia.pk, "team": team.pk}, team_changed]
    assert trail.recorded_by(lambda: change_user(nadia_browser, awa, team="")) == [
        team_changed | {"team": "none"}
    ]


def test_changing_a_name_does_not_log_it(nadia_browser, nadia, awa, trail):
    lines = trail.recorded_by(lambda: change_user(nadia_browser, awa, full_name="Awa Sow"))
    assert lines == [{"act": "name changed", "actor": nadia.pk, "user": awa.pk}]


def test_an_unchanged_form_is_not_logged(nadia_browser, awa, trail):
    assert trail.recorded_by(lambda: change_user(nadia_browser, awa)) == []


@pytest.mark.parametrize(
    ("action", "act"),
    [("link", "reset link created"), ("deactivate", "user deactivated"), ("reactivate", "user reactivated")],
)
def test_deactivating_reactivating_and_creating_a_link(nadia_browser, nadia, awa, trail, action, act):
    lines = trail.recorded_by(lambda: nadia_browser.post(f"/dashboard/users/{awa.pk}/{action}"))
    assert lines == [{"act": act, "actor": nadia.pk, "user": awa.pk}]


def test_a_refused_action_is_not_logged(nadia_browser, nadia, trail):
    assert trail.recorded_by(lambda: nadia_browser.post(f"/dashboard/users/{nadia.pk}/deactivate")) == []
    assert trail.recorded_by(lambda: change_user(nadia_browser, nadia, role="agent", new_team="Ventes")) == []


def test_changing_a_setting(nadia_browser, nadia, trail):
    form = {
        definition.key: company_settings.get_value(definition)
        for definition in company_settings.EDITABLE_SETTINGS
    } | {"brand": "Étoile"}
    lines = trail.recorded_by(lambda: nadia_browser.post("/dashboard/settings", form))
    assert lines == [{"act": "setting changed", "actor": nadia.pk, "setting": "brand"}]


def test_sending_a_test_message(nadia_browser, nadia, trail, monkeypatch):
    monkeypatch.setattr("relais.company.messenger.send_test_message", lambda to, text: "SM" + "1" * 32)
    form = {"to": "+212600000001", "text": "Essai"}
    lines = trail.recorded_by(lambda: nadia_browser.post("/dashboard/settings/test", form))
    assert lines == [{"act": "test message sent", "actor": nadia.pk, "sid": "SM" + "1" * 32}]


def flow_file(tmp_path, definition):
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(definition))
    return file


def test_importing_publishing_and_activating_a_flow(nadia_browser, nadia, trail, tmp_path):
    with flow_file(tmp_path, FLOW_DEFINITION).open("rb") as file:
        lines = trail.recorded_by(
            lambda: nadia_browser.post("/dashboard/flows/import", {"name": "Accueil", "file": file})
        )
    flow = Flow.objects.get()
    revision = {"flow": flow.pk, "revision": flow.latest.pk}
    assert lines == [{"act": "flow imported", "actor": nadia.pk} | revision]
    lines = trail.recorded_by(
        lambda: nadia_browser.post(f"/dashboard/flows/{flow.pk}/revisions/1/publish", {"anyway": "on"})
    )
    assert lines == [{"act": "flow published", "actor": nadia.pk} | revision]
    lines = trail.recorded_by(lambda: nadia_browser.post(f"/dashboard/flows/{flow.pk}/answers"))
    assert lines == [{"act": "flow answers clients", "actor": nadia.pk, "flow": flow.pk}]


def test_importing_a_revision(nadia_browser, nadia, trail, flow, tmp_path):
    with flow_file(tmp_path, FLOW_DEFINITION | {"description": "new"}).open("rb") as file:
        lines = trail.recorded_by(
            lambda: nadia_browser.post(f"/dashboard/flows/{flow.pk}/import", {"file": file})
        )
    assert lines == [{"act": "flow imported", "actor": nadia.pk, "flow": flow.pk, "revision": flow.latest.pk}]


def test_changing_the_sid_of_a_flow(nadia_browser, nadia, trail, flow):
    lines = trail.recorded_by(
        lambda: nadia_browser.post(f"/dashboard/flows/{flow.pk}/sid", {"sid": "FW" + "1" * 32})
    )
    assert lines == [{"act": "flow SID changed", "actor": nadia.pk, "flow": flow.pk}]


def test_importing_a_flow_by_the_command_line(trail, tmp_path, clock):
    file = str(flow_file(tmp_path, FLOW_DEFINITION))
    lines = trail.recorded_by(lambda: import_file(file, name="", publish=False, answers=True, at=clock.now))
    acts = ["flow imported", "flow published", "flow answers clients"]
    assert [line["act"] for line in lines] == acts
    assert {line["actor"] for line in lines} == {"command"}


def test_changing_a_password(client, awa, caplog):
    client.force_login(awa)
    new = "girafe et parapluie"
    form = {"oldpassword": "un bon mot de passe", "password1": new, "password2": new}
    with caplog.at_level(logging.INFO, logger="relais.accounts"):
        client.post("/accounts/password/change/", form)
    [record] = [record for record in caplog.records if record.msg == "password changed"]
    assert record.user == awa.pk


def test_changing_ones_own_name(trail, client, awa):
    client.force_login(awa)
    form = {"full_name": "Awa D.", "language": "fr", "signature": "", "undo_seconds": "5"}
    [line] = trail.recorded_by(lambda: client.post("/dashboard/profile", form))
    assert line == {"act": "name changed", "actor": awa.pk, "user": awa.pk}


def test_every_view_that_changes_something_is_tested():
    """A new view belongs to READ_ONLY_VIEWS, or here with a test above."""
    changing = {
        "invite",
        "user",
        "user_link",
        "deactivate_user",
        "reactivate_user",
        "profile",
        "settings",
        "test_message",
    }
    changing |= {"import_flow", "import_revision", "answer_clients", "publish_revision", "change_sid"}
    patterns = [*users_urls.urlpatterns, *settings_urls.urlpatterns, *flows_urls.urlpatterns]
    assert {pattern.name for pattern in patterns} - READ_ONLY_VIEWS == changing
