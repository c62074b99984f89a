"""Each act of administration leaves one line with who did what to whom, and none leaves a name or a word."""

import json
import logging

import pytest

from relais.accounts import audit
from relais.accounts import urls as of_users
from relais.accounts.models import Team, User
from relais.company import company_settings
from relais.company import urls as of_settings
from relais.flows import urls as of_flows
from relais.flows.import_export import import_file
from relais.flows.models import Flow
from relais.ops.log_format import JsonFormatter

pytestmark = pytest.mark.django_db
A_FLOW = {
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
CHANGES_NOTHING = {"users", "flows", "flow", "export_revision", "try_revision", "path"}
"""Views of the same rooms that only show."""


class Trail:
    """What was recorded since the last time it was asked."""

    def __init__(self, caplog, capture):
        self.caplog, self.capture = caplog, capture

    def of(self, act):
        self.caplog.clear()
        with self.capture(execute=True), self.caplog.at_level(logging.INFO, logger=audit.log.name):
            answer = act()
        records = [record for record in self.caplog.records if record.name == audit.log.name]
        fields = [json.loads(JsonFormatter("web").format(record)) for record in records]
        around = {"at", "level", "logger", "process", "pid"}
        assert all(line.pop("event") == "administration" for line in fields), answer
        return [{name: value for name, value in line.items() if name not in around} for line in fields]


@pytest.fixture
def trail(caplog, django_capture_on_commit_callbacks):
    return Trail(caplog, django_capture_on_commit_callbacks)


@pytest.fixture
def nadias(client, nadia):
    client.force_login(nadia)
    return client


@pytest.fixture
def kept(nadia, clock):
    made = Flow.objects.create(name="Accueil")
    made.add_revision(A_FLOW, by="", at=clock.now).publish(at=clock.now)
    return made


def form_of(person, **fields):
    return {"full_name": person.full_name, "role": person.role, "team": person.team_id or "", **fields}


def changes(browser, person, **fields):
    return browser.post(f"/dashboard/users/{person.pk}", form_of(person, **fields))


def test_a_person_is_invited(nadias, nadia, trail):
    form = {"full_name": "Ali Omar", "email": "ali@example.com", "role": "agent", "language": "fr"}
    lines = trail.of(lambda: nadias.post("/dashboard/users/invite", form))
    ali = User.objects.get(email="ali@example.com")
    assert lines == [{"act": "user created", "actor": nadia.pk, "user": ali.pk, "role": "agent"}]


def test_a_role_is_given(nadias, nadia, awa, trail):
    lines = trail.of(lambda: changes(nadias, awa, role="supervisor"))
    assert lines == [{"act": "role changed", "actor": nadia.pk, "user": awa.pk, "role": "supervisor"}]


def test_a_team_is_made_and_given_and_left(nadias, nadia, awa, trail):
    lines = trail.of(lambda: changes(nadias, awa, new_team="Ventes"))
    team = Team.objects.get()
    given = {"act": "team changed", "actor": nadia.pk, "user": awa.pk, "team": team.pk}
    assert lines == [{"act": "team created", "actor": nadia.pk, "team": team.pk}, given]
    assert trail.of(lambda: changes(nadias, awa, team="")) == [given | {"team": "none"}]


def test_a_name_is_corrected_and_stands_nowhere(nadias, nadia, awa, trail):
    lines = trail.of(lambda: changes(nadias, awa, full_name="Awa Sow"))
    assert lines == [{"act": "name changed", "actor": nadia.pk, "user": awa.pk}]


def test_what_stays_as_it_is_leaves_no_line(nadias, awa, trail):
    assert trail.of(lambda: changes(nadias, awa)) == []


@pytest.mark.parametrize(
    ("action", "act"),
    [("link", "reset link created"), ("deactivate", "user deactivated"), ("reactivate", "user reactivated")],
)
def test_an_account_is_closed_and_opened_and_given_a_link(nadias, nadia, awa, trail, action, act):
    lines = trail.of(lambda: nadias.post(f"/dashboard/users/{awa.pk}/{action}"))
    assert lines == [{"act": act, "actor": nadia.pk, "user": awa.pk}]


def test_what_is_refused_leaves_no_line(nadias, nadia, trail):
    assert trail.of(lambda: nadias.post(f"/dashboard/users/{nadia.pk}/deactivate")) == []
    assert trail.of(lambda: changes(nadias, nadia, role="agent", new_team="Ventes")) == []


def test_a_setting_is_changed(nadias, nadia, trail):
    form = {
        definition.key: company_settings.get_value(definition)
        for definition in company_settings.EDITABLE_SETTINGS
    } | {"brand": "Étoile"}
    lines = trail.of(lambda: nadias.post("/dashboard/settings", form))
    assert lines == [{"act": "setting changed", "actor": nadia.pk, "setting": "brand"}]


def test_a_test_message_is_sent(nadias, nadia, trail, monkeypatch):
    monkeypatch.setattr("relais.company.messenger.send_test_message", lambda to, text: "SM" + "1" * 32)
    form = {"to": "+212600000001", "text": "Essai"}
    lines = trail.of(lambda: nadias.post("/dashboard/settings/test", form))
    assert lines == [{"act": "test message sent", "actor": nadia.pk, "sid": "SM" + "1" * 32}]


def uploaded(tmp_path, definition):
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(definition))
    return file


def test_a_flow_is_imported_published_and_set_to_answer(nadias, nadia, trail, tmp_path):
    with uploaded(tmp_path, A_FLOW).open("rb") as file:
        lines = trail.of(lambda: nadias.post("/dashboard/flows/import", {"name": "Accueil", "file": file}))
    flow = Flow.objects.get()
    revision = {"flow": flow.pk, "revision": flow.latest.pk}
    assert lines == [{"act": "flow imported", "actor": nadia.pk} | revision]
    lines = trail.of(lambda: nadias.post(f"/dashboard/flows/{flow.pk}/revisions/1/publish", {"anyway": "on"}))
    assert lines == [{"act": "flow published", "actor": nadia.pk} | revision]
    lines = trail.of(lambda: nadias.post(f"/dashboard/flows/{flow.pk}/answers"))
    assert lines == [{"act": "flow answers clients", "actor": nadia.pk, "flow": flow.pk}]


def test_a_revision_is_imported(nadias, nadia, trail, kept, tmp_path):
    with uploaded(tmp_path, A_FLOW | {"description": "new"}).open("rb") as file:
        lines = trail.of(lambda: nadias.post(f"/dashboard/flows/{kept.pk}/import", {"file": file}))
    assert lines == [{"act": "flow imported", "actor": nadia.pk, "flow": kept.pk, "revision": kept.latest.pk}]


def test_a_flow_is_given_its_sid(nadias, nadia, trail, kept):
    lines = trail.of(lambda: nadias.post(f"/dashboard/flows/{kept.pk}/sid", {"sid": "FW" + "1" * 32}))
    assert lines == [{"act": "flow SID changed", "actor": nadia.pk, "flow": kept.pk}]


def test_a_flow_comes_in_by_a_command(trail, tmp_path, clock):
    file = str(uploaded(tmp_path, A_FLOW))
    lines = trail.of(lambda: import_file(file, name="", publish=False, answers=True, at=clock.now))
    acts = ["flow imported", "flow published", "flow answers clients"]
    assert [line["act"] for line in lines] == acts
    assert {line["actor"] for line in lines} == {"command"}


def test_a_new_password_is_noted(client, awa, caplog):
    client.force_login(awa)
    new = "girafe et parapluie"
    form = {"oldpassword": "un bon mot de passe", "password1": new, "password2": new}
    with caplog.at_level(logging.INFO, logger="relais.accounts"):
        client.post("/accounts/password/change/", form)
    [noted] = [record for record in caplog.records if record.msg == "password changed"]
    assert noted.user == awa.pk


def test_no_view_that_changes_something_was_forgotten():
    """A new view stands among those that only show, or here with a test above."""
    changing = {
        "invite",
        "user",
        "user_link",
        "deactivate_user",
        "reactivate_user",
        "settings",
        "test_message",
    }
    changing |= {"import_flow", "import_revision", "answer_clients", "publish_revision", "change_sid"}
    patterns = [*of_users.urlpatterns, *of_settings.urlpatterns, *of_flows.urlpatterns]
    assert {pattern.name for pattern in patterns} - CHANGES_NOTHING == changing
