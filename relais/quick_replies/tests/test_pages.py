"""The pages without JavaScript and the JSON of quick replies."""

import logging

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from relais.accounts import audit
from relais.quick_replies.models import QuickReply

pytestmark = pytest.mark.django_db
PATH = "/dashboard/quick-replies"
JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture
def awa_browser(client, awa):
    client.force_login(awa)
    return client


@pytest.fixture
def mariam_browser(client, mariam):
    client.force_login(mariam)
    return client


def search(browser, **query):
    return browser.get(PATH, query, **JSON).json()["results"]


class TestJson:
    def test_one_is_made_found_changed_and_deleted(self, awa_browser):
        form = {"shortcut": "rdv", "title": "Rendez-vous", "text": "Quand ?", "scope": "mine"}
        made = awa_browser.post(PATH, form, **JSON)
        assert made.status_code == 200
        assert made.json()["success"] is True
        pk = made.json()["id"]
        [found] = search(awa_browser, q="RDV")
        assert {k: found[k] for k in ("id", "shortcut", "title", "text")} == {
            "id": pk,
            "shortcut": "rdv",
            "title": "Rendez-vous",
            "text": "Quand ?",
        }
        changed = awa_browser.post(f"{PATH}/{pk}", {"text": "Demain ?"}, **JSON)
        assert (changed.json()["shortcut"], changed.json()["text"]) == ("rdv", "Demain ?")
        assert awa_browser.delete(f"{PATH}/{pk}", **JSON).json() == {"success": True}
        assert search(awa_browser) == []
        assert awa_browser.delete(f"{PATH}/{pk}", **JSON).status_code == 404

    def test_a_json_body(self, awa_browser):
        body = {"shortcut": "rdv", "title": "Rendez-vous", "text": "Quand ?", "scope": "mine"}
        made = awa_browser.post(PATH, body, content_type="application/json", **JSON)
        assert made.json()["success"] is True

    def test_the_conversation_fills_the_variables(self, awa_browser, create_reply, awa, held_by_awa):
        create_reply(awa, "a", "Bonjour {prénom}, {agent} de {marque}.")
        assert search(awa_browser, q="a")[0]["text"] == "Bonjour {prénom}, {agent} de {marque}."
        filled = "Bonjour Fatou, Awa Diop de Mercedes-Benz."
        assert search(awa_browser, q="a", conversation=held_by_awa.pk)[0]["text"] == filled

    def test_a_conversation_out_of_reach_is_not_found(self, client, create_reply, yao, held_by_awa, sales):
        client.force_login(yao)
        type(held_by_awa).objects.update(team=sales)
        reply = create_reply(yao, "a", "{client}")
        for pk in (held_by_awa.pk, 0, "x"):
            assert client.get(PATH, {"conversation": pk}, **JSON).status_code == 404
            assert client.post(f"{PATH}/{reply.pk}/use", {"conversation": pk}, **JSON).status_code == 404
        assert QuickReply.objects.get().use_count == 0

    def test_a_text_that_grows_too_long_is_said(self, awa_browser, create_reply, awa, held_by_awa):
        create_reply(awa, "a", "x" * 1590 + " {marque}")
        [found] = search(awa_browser, conversation=held_by_awa.pk)
        assert found["problem"].startswith("Ce texte a 1604 caractères")
        create_reply(awa, "b", "x" * 1600)
        assert search(awa_browser, q="b", conversation=held_by_awa.pk)[0]["problem"] == ""

    def test_a_use_is_counted_and_answers_with_the_text(self, awa_browser, create_reply, awa, held_by_awa):
        reply = create_reply(awa, "a", "Bonjour {client}")
        used = awa_browser.post(f"{PATH}/{reply.pk}/use", {"conversation": held_by_awa.pk}, **JSON).json()
        assert (used["success"], used["text"], used["uses"]) == (True, "Bonjour Fatou", 1)

    def test_refusals(self, awa_browser, create_reply, mariam, koffi):
        shared = create_reply(mariam, "a", scope="all")
        koffis = create_reply(koffi, "b")
        form = {"shortcut": "a", "title": "t", "text": "x", "scope": "all"}
        refused = awa_browser.post(PATH, form, **JSON)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert awa_browser.post(f"{PATH}/{shared.pk}", form, **JSON).status_code == 403
        assert awa_browser.post(f"{PATH}/{shared.pk}/delete", **JSON).status_code == 403
        for path in (f"{PATH}/{koffis.pk}", f"{PATH}/{koffis.pk}/use", f"{PATH}/{koffis.pk}/delete"):
            assert awa_browser.post(path, form, **JSON).status_code == 404
        empty = awa_browser.post(PATH, {"shortcut": "c", "text": " "}, **JSON)
        assert (empty.status_code, empty.json()["code"], empty.json()["success"]) == (422, "text", False)

    def test_someone_was_faster(self, mariam_browser, create_reply, mariam):
        reply = create_reply(mariam, "a", scope="all")
        form = {"shortcut": "a", "title": "t", "text": "x", "scope": "all", "version": reply.version}
        assert mariam_browser.post(f"{PATH}/{reply.pk}", form, **JSON).status_code == 200
        late = mariam_browser.post(f"{PATH}/{reply.pk}", form, **JSON)
        assert (late.status_code, late.json()["code"]) == (409, "changed")

    def test_the_anonymous_sign_in_first(self, client):
        assert client.get(PATH, **JSON).status_code == 401
        assert client.post(PATH, {}, **JSON).json()["code"] == "login"
        assert client.get(PATH)["Location"].startswith("/accounts/login/")

    def test_a_search_takes_three_queries_at_most(
        self, awa_browser, create_reply, awa, held_by_awa, django_assert_max_num_queries
    ):
        for n in range(30):
            create_reply(awa, f"r{n}", "Bonjour {client}, {marque}")
        awa_browser.get(PATH, **JSON)
        # Session, user, conversation, brand, replies.
        with django_assert_max_num_queries(5):
            assert len(search(awa_browser, q="bon", conversation=held_by_awa.pk)) == 20


class TestPages:
    def test_one_is_made_changed_and_deleted(self, mariam_browser):
        assert 'name="shortcut"' in mariam_browser.get(f"{PATH}/new").content.decode()
        form = {"shortcut": "rdv", "title": "", "text": "Quand {prénom} ?", "scope": "all"}
        page = mariam_browser.post(f"{PATH}/new", form, follow=True).content.decode()
        assert "Réponse « /rdv » créée." in page.replace("\u00a0", " ")
        reply = QuickReply.objects.get()
        page = mariam_browser.get(f"{PATH}/{reply.pk}").content.decode()
        assert "Quand Fatou" in page
        changed = form | {"text": "Demain ?", "version": "1"}
        mariam_browser.post(f"{PATH}/{reply.pk}", changed)
        assert QuickReply.objects.get().text == "Demain ?"
        late = mariam_browser.post(f"{PATH}/{reply.pk}", changed)
        assert late.status_code == 409
        assert 'value="2"' in late.content.decode()
        mariam_browser.post(f"{PATH}/{reply.pk}/delete")
        assert not QuickReply.objects.exists()

    def test_a_refused_form_keeps_what_was_typed(self, awa_browser):
        refused = awa_browser.post(f"{PATH}/new", {"shortcut": "rdv", "text": "Le {jour}"})
        page = refused.content.decode()
        assert refused.status_code == 422
        assert "Variable inconnue" in page
        assert "Le {jour}</textarea>" in page

    def test_an_agent_reads_a_shared_one_and_may_not_edit_it(self, awa_browser, create_reply, mariam):
        reply = create_reply(mariam, "a", "Bonjour à tous", scope="all")
        page = awa_browser.get(f"{PATH}/{reply.pk}").content.decode()
        assert "Bonjour à tous" in page
        assert 'name="text"' not in page
        assert "/delete" not in page
        refused = awa_browser.post(f"{PATH}/{reply.pk}/delete", follow=True)
        assert "un superviseur peut la modifier" in refused.content.decode()

    def test_the_list_is_searched_and_paged(
        self, awa_browser, create_reply, awa, django_assert_max_num_queries
    ):
        for n in range(60):
            create_reply(awa, f"r{n}", f"Texte <b>{n}</b>")
        page = awa_browser.get(PATH).content.decode()
        assert page.count('class="replies__shortcut"') == 50
        assert "&lt;b&gt;" in page
        assert awa_browser.get(PATH, {"page": 2}).content.decode().count('class="replies__shortcut"') == 10
        assert awa_browser.get(PATH, {"q": "r59"}).content.decode().count('class="replies__shortcut"') == 1
        assert "Aucune réponse ne correspond." in awa_browser.get(PATH, {"q": "zzz"}).content.decode()
        with django_assert_max_num_queries(8):
            awa_browser.get(PATH)

    def test_an_empty_preview_says_what_appears_there(self, awa_browser):
        assert "Le texte apparaît ici" in awa_browser.get(f"{PATH}/new").content.decode()
        assert "Le texte apparaît ici" in awa_browser.post(f"{PATH}/preview", {"text": ""}).content.decode()

    def test_the_preview_says_what_is_wrong(self, awa_browser):
        preview = awa_browser.post(f"{PATH}/preview", {"text": "Bonjour {client} {x}"}).content.decode()
        assert "Bonjour Fatou Diallo {x}" in preview
        assert "Variable inconnue" in preview
        assert (
            "Raccourcissez-le"
            in awa_browser.post(f"{PATH}/preview", {"text": "x" * 1599 + "{client}"}).content.decode()
        )

    def test_everybody_has_the_section(self, awa_browser):
        page = awa_browser.get(PATH).content.decode()
        assert 'href="/dashboard/quick-replies" aria-current="page"' in page


class TestCsvPages:
    def test_the_export(self, awa_browser, create_reply, awa, koffi):
        create_reply(awa, "a", "=1+1")
        create_reply(koffi, "b")
        response = awa_browser.get(f"{PATH}/export")
        assert response["Content-Disposition"].startswith('attachment; filename="reponses-')
        assert response.content.decode("utf-8-sig").splitlines()[1:] == ["a;'=1+1;'=1+1;moi;"]

    def test_an_import_is_shown_first_and_made_when_confirmed(self, awa_browser, mariam):
        content = "raccourci;texte;partage\na;Déjà;moi\nb;Non;tous\n".encode("cp1252")
        file = SimpleUploadedFile("replies.csv", content)
        page = awa_browser.post(f"{PATH}/import", {"file": file}).content.decode()
        assert "Importer 1 réponse" in page
        assert "1 nouvelle · 1 ligne refusée" in page
        assert not QuickReply.objects.exists()
        text = content.decode("cp1252")
        page = awa_browser.post(f"{PATH}/import", {"confirm": "1", "text": text}).content.decode()
        assert "Import terminé" in page
        assert QuickReply.objects.get().text == "Déjà"

    def test_the_report_as_json(self, awa_browser):
        file = SimpleUploadedFile("replies.csv", b"raccourci;texte\na;x\nb;{y}\n")
        report = awa_browser.post(f"{PATH}/import", {"file": file, "confirm": "1"}, **JSON).json()
        refused = report.pop("refused")
        assert report == {"success": True, "imported": True, "created": 1, "updated": 0, "unchanged": 0}
        assert refused[0]["line"] == 3

    def test_no_file_is_said(self, awa_browser):
        assert awa_browser.post(f"{PATH}/import").status_code == 422
        assert awa_browser.post(f"{PATH}/import", **JSON).json()["code"] == "file"


def test_changes_are_in_the_audit_log_without_texts(
    mariam_browser, mariam, caplog, django_capture_on_commit_callbacks
):
    form = {"shortcut": "rdv", "title": "t", "text": "secret", "scope": "all"}
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level(logging.INFO, audit.log.name):
        pk = mariam_browser.post(PATH, form, **JSON).json()["id"]
        mariam_browser.post(f"{PATH}/{pk}", form | {"text": "autre"}, **JSON)
        mariam_browser.delete(f"{PATH}/{pk}", **JSON)
        mariam_browser.get(f"{PATH}/export")
    records = [record for record in caplog.records if record.name == audit.log.name]
    acts = ["quick reply created", "quick reply changed", "quick reply deleted", "quick replies exported"]
    assert [record.act for record in records] == acts
    assert all(record.actor == mariam.pk for record in records)
    assert records[0].quick_reply == pk
