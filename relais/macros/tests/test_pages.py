"""The pages of macros without JavaScript, and their JSON."""

import logging

import pytest

from relais.accounts import audit
from relais.accounts.models import Team
from relais.macros.demo import DEMO_MACROS, create_demo_macros
from relais.macros.models import Macro
from relais.macros.tests.conftest import CLOSE, NOTE, SEND, TAG

pytestmark = pytest.mark.django_db
PATH = "/dashboard/macros"
JSON = {"headers": {"accept": "application/json"}}
AS_JSON = {"content_type": "application/json", **JSON}


@pytest.fixture
def awa_browser(client, awa):
    client.force_login(awa)
    return client


@pytest.fixture
def mariam_browser(client, mariam):
    client.force_login(mariam)
    return client


def form_of(*groups, title="Devis envoyé", shortcut="devis", scope="mine", **fields):
    """The fields of the page's form; `groups` are the steps as (key, kind, fields)."""
    form = {"title": title, "shortcut": shortcut, "scope": scope, "step": [key for key, _kind, _ in groups]}
    for key, kind, values in groups:
        form |= {f"type-{key}": kind} | {f"{name}-{key}": value for name, value in values.items()}
    return form | fields


def search(browser, **query):
    return browser.get(PATH, query, **JSON).json()["results"]


class TestJson:
    def test_one_is_made_found_changed_and_deleted(self, awa_browser):
        body = {"shortcut": "Devis", "title": "Devis envoyé", "steps": [SEND, TAG, CLOSE], "scope": "mine"}
        made = awa_browser.post(PATH, body, **AS_JSON)
        assert made.status_code == 200
        assert made.json()["success"] is True
        pk = made.json()["id"]
        assert awa_browser.post(PATH, body, **AS_JSON).json()["id"] == pk
        [found] = search(awa_browser, q="DÉVIS")
        assert (found["id"], found["shortcut"], found["title"]) == (pk, "devis", "Devis envoyé")
        assert [step["type"] for step in found["steps"]] == ["send", "tags", "close"]
        assert [each["id"] for each in search(awa_browser, q="a votre service")] == [pk]
        changed = awa_browser.post(f"{PATH}/{pk}", {"title": "Autre"}, **AS_JSON).json()
        assert (changed["title"], len(changed["steps"])) == ("Autre", 3)
        changed = awa_browser.post(f"{PATH}/{pk}", {"steps": [NOTE]}, **AS_JSON).json()
        assert (changed["title"], [step["type"] for step in changed["steps"]]) == ("Autre", ["note"])
        assert awa_browser.get(f"{PATH}/{pk}", **JSON).json()["version"] == 3
        assert awa_browser.delete(f"{PATH}/{pk}", **JSON).json() == {"success": True}
        assert awa_browser.delete(f"{PATH}/{pk}", **JSON).status_code == 404

    def test_refusals(self, awa_browser, create_macro, mariam, koffi):
        shared, koffis = create_macro(mariam, scope="all"), create_macro(koffi, shortcut="k")
        body = {"shortcut": "x", "title": "t", "steps": [SEND], "scope": "all"}
        refused = awa_browser.post(PATH, body, **AS_JSON)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert awa_browser.post(f"{PATH}/{shared.pk}", body | {"scope": "mine"}, **AS_JSON).status_code == 403
        assert awa_browser.post(f"{PATH}/{shared.pk}/delete", **JSON).status_code == 403
        for path in (f"{PATH}/{koffis.pk}", f"{PATH}/{koffis.pk}/delete"):
            assert awa_browser.post(path, body, **AS_JSON).status_code == 404
        wrong = awa_browser.post(PATH, body | {"scope": "mine", "steps": [SEND, CLOSE, SEND]}, **AS_JSON)
        assert (wrong.status_code, wrong.json()["code"], wrong.json()["step"]) == (422, "steps", 3)
        for steps in (None, [], "x", {"a": 1}):
            wrong = awa_browser.post(PATH, body | {"scope": "mine", "steps": steps}, **AS_JSON)
            assert (wrong.status_code, wrong.json()["code"]) == (422, "steps")
        for field in ("title", "shortcut"):
            wrong = awa_browser.post(PATH, body | {"scope": "mine", field: " "}, **AS_JSON)
            assert (wrong.status_code, wrong.json()["code"]) == (422, field)
        again = {"shortcut": "k", "title": "t", "steps": [SEND], "scope": "mine"}
        assert awa_browser.post(PATH, again, **AS_JSON).status_code == 200
        taken = awa_browser.post(PATH, again | {"title": "autre"}, **AS_JSON)
        assert (taken.status_code, taken.json()["code"]) == (422, "shortcut")

    def test_someone_was_faster(self, mariam_browser, create_macro, mariam):
        macro = create_macro(mariam, scope="all")
        body = {"title": "Autre", "version": macro.version}
        assert mariam_browser.post(f"{PATH}/{macro.pk}", body, **AS_JSON).status_code == 200
        late = mariam_browser.post(f"{PATH}/{macro.pk}", body, **AS_JSON)
        assert (late.status_code, late.json()["code"]) == (409, "changed")

    def test_the_most_used_come_first(self, awa_browser, create_macro, awa, clock):
        create_macro(awa, shortcut="a", title="A")
        create_macro(awa, shortcut="b", title="B").record_use(at=clock.now)
        assert [each["shortcut"] for each in search(awa_browser)] == ["b", "a"]

    def test_a_team_has_its_own(self, awa_browser, create_macro, mariam, yao):
        create_macro(mariam, scope=f"team:{yao.team_id}")
        assert search(awa_browser) == []
        awa_browser.force_login(yao)
        assert len(search(awa_browser)) == 1
        Team.objects.all().delete()
        assert not Macro.objects.exists()

    def test_the_anonymous_sign_in_first(self, client):
        assert client.get(PATH, **JSON).status_code == 401
        assert client.post(PATH, {}, **JSON).json()["code"] == "login"
        assert client.get(PATH)["Location"].startswith("/accounts/login/")


class TestPages:
    def test_one_is_made_changed_and_deleted(self, mariam_browser, koffi):
        assert 'name="shortcut"' in mariam_browser.get(f"{PATH}/new").content.decode()
        groups = [
            ("1", "send", {"text": "Bonjour {prénom}"}),
            ("2", "tags", {"add": "devis, urgent", "remove": "nouveau"}),
            ("3", "transfer", {"to": f"agent:{koffi.pk}", "note": "à suivre"}),
        ]
        page = mariam_browser.post(f"{PATH}/new", form_of(*groups, scope="all"), follow=True)
        assert "créée." in page.content.decode()
        macro = Macro.objects.get()
        assert macro.steps == [
            {"type": "send", "text": "Bonjour {prénom}"},
            {"type": "tags", "add": ["devis", "urgent"], "remove": ["nouveau"]},
            {"type": "transfer", "agent": koffi.pk, "team": None, "note": "à suivre"},
        ]
        page = mariam_browser.get(f"{PATH}/{macro.pk}").content.decode()
        assert "Bonjour Fatou" in page
        assert 'value="devis, urgent"' in page
        assert f'<option value="agent:{koffi.pk}" selected>' in page
        changed = form_of(groups[1], groups[0], scope="all", version="1")
        mariam_browser.post(f"{PATH}/{macro.pk}", changed)
        macro.refresh_from_db()
        assert [step["type"] for step in macro.steps] == ["tags", "send"]
        late = mariam_browser.post(f"{PATH}/{macro.pk}", changed)
        assert late.status_code == 409
        mariam_browser.post(f"{PATH}/{macro.pk}/delete")
        assert not Macro.objects.exists()

    def test_steps_are_added_moved_and_removed_without_scripts(self, awa_browser):
        groups = [("1", "send", {"text": "un"}), ("2", "note", {"text": "deux"})]

        def order(command, *groups):
            page = awa_browser.post(f"{PATH}/new", form_of(*groups, command=command))
            assert page.status_code == 200
            assert 'value="Devis envoyé"' in page.content.decode()
            return [(group.number, group.key, group.kind) for group in page.context["groups"]]

        assert order("add:close", *groups) == [(1, "1", "send"), (2, "2", "note"), (3, "3", "close")]
        assert order("up:2", *groups) == [(1, "2", "note"), (2, "1", "send")]
        assert order("down:1", *groups) == [(1, "2", "note"), (2, "1", "send")]
        assert order("up:1", *groups) == order("down:2", *groups) == order("x", *groups)
        assert order("remove:1", *groups) == [(1, "2", "note")]
        assert order("add:send") == [(1, "1", "send")]
        assert not Macro.objects.exists()

    def test_a_refused_form_keeps_what_was_typed(self, awa_browser):
        refused = awa_browser.post(
            f"{PATH}/new", form_of(("1", "close", {}), ("2", "send", {"text": "Après"}))
        )
        page = refused.content.decode()
        assert refused.status_code == 422
        assert "Étape 2" in page
        assert "Après</textarea>" in page
        refused = awa_browser.post(f"{PATH}/new", form_of(("1", "send", {"text": "x"}), shortcut="a/b"))
        assert "ni barre oblique ni accolade" in refused.content.decode()

    def test_an_unusual_duration_stays_in_the_form(self, awa_browser, create_macro, awa):
        macro = create_macro(awa, {"type": "snooze", "until": "36h"})
        assert (
            '<option value="36h" selected>36 heures</option>'
            in awa_browser.get(f"{PATH}/{macro.pk}").content.decode()
        )

    def test_an_agent_reads_a_shared_one_and_may_not_edit_it(self, awa_browser, create_macro, mariam):
        macro = create_macro(mariam, SEND, scope="all")
        page = awa_browser.get(f"{PATH}/{macro.pk}").content.decode()
        assert "Bonjour Fatou" in page
        assert 'name="title"' not in page
        assert "/delete" not in page

    def test_the_preview_follows_the_form(self, awa_browser):
        form = form_of(("1", "send", {"text": "Bonjour {client}"}), ("2", "snooze", {"until": "reply"}))
        preview = awa_browser.post(f"{PATH}/preview", form).content.decode()
        assert "Bonjour Fatou Diallo" in preview
        assert "réponse du client" in preview
        assert "Étape 1" in awa_browser.post(f"{PATH}/preview", form_of(("1", "send", {}))).content.decode()

    def test_the_list_is_searched(self, awa_browser, create_macro, awa, django_assert_max_num_queries):
        for n in range(12):
            create_macro(awa, SEND, TAG, CLOSE, shortcut=f"m{n}", title=f"<b>{n}</b>")
        page = awa_browser.get(PATH).content.decode()
        assert page.count('class="replies__shortcut"') == 12
        assert "&lt;b&gt;" in page
        assert awa_browser.get(PATH, {"q": "m11"}).content.decode().count('class="replies__shortcut"') == 1
        assert "Aucune macro ne correspond." in awa_browser.get(PATH, {"q": "zzz"}).content.decode()
        with django_assert_max_num_queries(8):
            awa_browser.get(PATH)

    def test_quick_replies_and_macros_lead_to_each_other(self, awa_browser):
        assert f'href="{PATH}"' in awa_browser.get("/dashboard/quick-replies").content.decode()
        page = awa_browser.get(PATH).content.decode()
        assert 'href="/dashboard/quick-replies"' in page
        assert f'href="{PATH}" aria-current="page"' in page


def test_changes_are_in_the_audit_log_without_texts(
    mariam_browser, mariam, caplog, django_capture_on_commit_callbacks
):
    body = {"shortcut": "rdv", "title": "t", "steps": [SEND], "scope": "all"}
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level(logging.INFO, audit.log.name):
        pk = mariam_browser.post(PATH, body, **AS_JSON).json()["id"]
        mariam_browser.post(f"{PATH}/{pk}", {"title": "autre"}, **AS_JSON)
        mariam_browser.delete(f"{PATH}/{pk}", **JSON)
    records = [record for record in caplog.records if record.name == audit.log.name]
    assert [record.act for record in records] == ["macro created", "macro changed", "macro deleted"]
    assert all((record.actor, record.macro) == (mariam.pk, pk) for record in records)


def test_the_demo_begins_with_macros_and_keeps_what_a_visitor_changed(clock, mariam):
    create_demo_macros(at=clock.now)
    assert Macro.objects.count() == len(DEMO_MACROS)
    assert "compteur\u00a0?" in Macro.objects.get(shortcut="photos").steps[0]["text"]
    Macro.objects.exclude(shortcut="devis").delete()
    create_demo_macros(at=clock.now)
    assert Macro.objects.count() == 1


@pytest.mark.parametrize("is_on", [True, False])
def test_the_page_names_the_key_only_to_who_uses_single_keys(awa_browser, awa, is_on):
    type(awa).objects.filter(pk=awa.pk).update(single_keys=is_on)
    html = awa_browser.get(PATH).text
    assert ("<kbd>M</kbd>" in html) is is_on
    assert ("le bouton <strong>Macros</strong>" in html) is not is_on
