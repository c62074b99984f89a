"""Macros in a conversation without JavaScript, and as JSON: the list, the preview, the run, undoing it."""

import pytest

from relais.conversations.models import Conversation, MessageDelivery
from relais.macros.models import Macro, MacroRun
from relais.macros.tests.conftest import CLOSE, NOTE, SEND, TAG
from relais.notes.models import Note

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
JSON = {"headers": {"accept": "application/json"}}
FETCH = {"headers": {"x-requested-with": "fetch"}}


@pytest.fixture
def awa_browser(client, awa):
    client.force_login(awa)
    return client


def path_of(conversation, macro, action=""):
    return f"/dashboard/chat/{conversation.pk}/macros/{macro.pk}{action}"


def test_the_contract(awa_browser, create_macro, awa, held_by_awa):
    macro = create_macro(awa, SEND, TAG, NOTE, CLOSE)
    path = path_of(held_by_awa, macro, "/run")
    first = awa_browser.post(path, {"ref": "r1"}, **JSON)
    assert first.status_code == 200
    assert first.json() | {"run": 0} == {"success": True, "done": [1, 2, 3, 4], "refused": None, "run": 0}
    assert awa_browser.post(path, {"ref": "r1"}, **JSON).json() == first.json()
    assert Note.objects.count() == 1
    late = awa_browser.post(path, {"ref": "r2"}, **JSON)
    assert late.status_code == 409
    answer = late.json()
    assert (answer["success"], answer["code"], answer["done"]) == (False, "ended", [])
    assert (answer["refused"]["step"], answer["refused"]["code"]) == (1, "ended")
    assert "Rien n'a été fait" in answer["error"]


def test_what_was_done_and_what_was_not(awa_browser, create_macro, awa, held_by_awa, koffi):
    Conversation.objects.update(agent=koffi)
    macro = create_macro(awa, TAG, NOTE, SEND, CLOSE)
    refused = awa_browser.post(path_of(held_by_awa, macro, "/run"), {"ref": "r"}, **JSON)
    answer = refused.json()
    assert (refused.status_code, answer["done"], answer["refused"]["step"]) == (403, [1, 2], 3)
    sentence = answer["error"].replace("\u00a0", " ")
    assert sentence.startswith("Étape 3 (Envoyer un texte au client) refusée : Koffi Mensah tient")
    assert sentence.endswith("Étapes 1, 2 faites. 1 étape reste à faire.")
    page = awa_browser.post(path_of(held_by_awa, macro, "/run"), {"ref": "r"}, follow=True)
    assert page.redirect_chain[-1][0] == f"/dashboard/chat/{held_by_awa.pk}"
    assert "refusée" in page.content.decode()


def test_texts_are_edited_before_they_run(awa_browser, create_macro, awa, held_by_awa):
    macro = create_macro(awa, TAG, SEND, NOTE)
    path = path_of(held_by_awa, macro, "/run")
    for text, code in ((" ", "empty"), ("x" * 1601, "too_long")):
        refused = awa_browser.post(path, {"text-2": text}, **JSON)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert refused.json()["refused"]["step"] == 2
    assert not MacroRun.objects.exists()
    assert held_by_awa.tag_names() == []
    page = awa_browser.post(path, {"text-2": "x" * 1601, "text-3": "ma note"})
    assert page.status_code == 422
    assert "x" * 1601 in page.content.decode()
    assert "ma note</textarea>" in page.content.decode()
    assert awa_browser.post(path, {"text-2": "Autrement", "ref": "r"}, **JSON).json()["done"] == [1, 2, 3]
    assert MessageDelivery.objects.order_by("pk").last().event.body == "Autrement"
    assert Note.objects.get().body == "Devis envoyé à Fatou."


def test_a_macro_changed_since_its_preview_is_read_again(awa_browser, create_macro, awa, held_by_awa):
    macro = create_macro(awa, NOTE)
    Macro.objects.update(version=2)
    path = path_of(held_by_awa, macro, "/run")
    refused = awa_browser.post(path, {"version": "1"}, **JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "changed")
    assert not Note.objects.exists()
    page = awa_browser.post(path, {"version": "1"})
    assert 'name="version" value="2"' in page.content.decode()
    assert awa_browser.post(path, {"version": "2"}, **JSON).status_code == 200


def test_the_preview(awa_browser, create_macro, awa, held_by_awa):
    macro = create_macro(awa, SEND, CLOSE)
    page = awa_browser.get(path_of(held_by_awa, macro)).content.decode()
    assert "Bonjour Fatou, Awa Diop à votre service.</textarea>" in page
    assert "Clôturer, motif" in page
    assert "Le client reçoit" in page
    assert "<html" in page
    assert "<html" not in awa_browser.get(path_of(held_by_awa, macro), **FETCH).content.decode()
    steps = awa_browser.get(path_of(held_by_awa, macro), **JSON).json()["steps"]
    assert [step["type"] for step in steps] == ["send", "close"]
    assert steps[0]["sent"] == [steps[0]["text"]]
    assert not MessageDelivery.objects.filter(event__body=steps[0]["text"]).exists()


def test_the_preview_names_what_is_refused(client, create_macro, koffi, held_by_awa):
    client.force_login(koffi)
    page = client.get(path_of(held_by_awa, create_macro(koffi, TAG, SEND))).content.decode()
    assert "Awa Diop tient cette conversation" in page
    assert "Exécuter jusqu'à l'étape 2" in page
    page = client.get(path_of(held_by_awa, create_macro(koffi, SEND, shortcut="b"))).content.decode()
    assert "data-run" not in page.replace("data-macro-run", "")


def test_the_list_in_a_conversation(awa_browser, create_macro, awa, koffi, held_by_awa):
    create_macro(awa, title="À moi")
    create_macro(koffi, title="À Koffi")
    path = f"/dashboard/chat/{held_by_awa.pk}/macros"
    page = awa_browser.get(path).content.decode()
    assert "À moi" in page
    assert "À Koffi" not in page
    assert "À moi" not in awa_browser.get(path, {"q": "zzz"}).content.decode()
    chat = awa_browser.get(f"/dashboard/chat/{held_by_awa.pk}").content.decode()
    assert f'href="{path}" data-dialog' in chat
    Macro.objects.all().delete()
    assert "Aucune macro pour l'instant" in awa_browser.get(path).content.decode()


def test_a_form_leads_to_the_list_when_the_conversation_left(awa_browser, create_macro, awa, held_by_awa):
    awa.undo_seconds = 5
    awa.save()
    stays = create_macro(awa, TAG, NOTE)
    response = awa_browser.post(path_of(held_by_awa, stays, "/run"), {"undo": "1"})
    assert response["Location"] == f"/dashboard/chat/{held_by_awa.pk}"
    leaves = create_macro(awa, SEND, CLOSE, shortcut="clore")
    page = awa_browser.post(path_of(held_by_awa, leaves, "/run"), {"undo": "1"}, follow=True)
    assert page.redirect_chain[-1][0] == "/dashboard/active"
    run = MacroRun.objects.latest("pk")
    undo = f"/dashboard/chat/{held_by_awa.pk}/macro-runs/{run.pk}/undo"
    assert f'action="{undo}"' in page.content.decode()
    page = awa_browser.post(undo, follow=True)
    assert page.redirect_chain[-1][0] == f"/dashboard/chat/{held_by_awa.pk}"
    held_by_awa.refresh_from_db()
    assert held_by_awa.is_held_by(awa)
    assert MessageDelivery.objects.filter(reason="undone").count() == 2


def test_without_undo_a_program_is_served_at_once(awa_browser, create_macro, awa, held_by_awa):
    awa.undo_seconds = 5
    awa.save()
    awa_browser.post(path_of(held_by_awa, create_macro(awa, SEND), "/run"), {"ref": "r"}, **JSON)
    assert MessageDelivery.objects.order_by("pk").last().held_until is None


def test_undo_is_for_who_ran_it_and_in_time(client, create_macro, awa, koffi, held_by_awa):
    client.force_login(awa)
    path = path_of(held_by_awa, create_macro(awa, SEND, CLOSE), "/run")
    run = client.post(path, {"ref": "r"}, **JSON).json()["run"]
    undo = f"/dashboard/chat/{held_by_awa.pk}/macro-runs/{run}/undo"
    late = client.post(undo, **JSON)  # nothing was held
    assert (late.status_code, late.json()["code"]) == (409, "too_late")
    client.force_login(koffi)
    assert client.post(undo, **JSON).status_code == 404


def test_out_of_reach(client, create_macro, yao, awa, held_by_awa, sales):
    macro, awas = create_macro(yao, NOTE), create_macro(awa, NOTE)
    Conversation.objects.update(team=sales)
    client.force_login(yao)
    for path in (f"/dashboard/chat/{held_by_awa.pk}/macros", path_of(held_by_awa, macro)):
        assert client.get(path).status_code == 404
    assert client.post(path_of(held_by_awa, macro, "/run"), **JSON).status_code == 404
    Conversation.objects.update(team=None)
    assert client.post(path_of(held_by_awa, awas, "/run"), **JSON).status_code == 404
    assert client.get(path_of(held_by_awa, awas)).status_code == 404
    assert not Note.objects.exists()


def test_a_repeated_request_is_answered_after_the_conversation_went_out_of_reach(
    client, create_macro, yao, fatou_writes, clock, sales
):
    conversation = fatou_writes("Bonjour")
    Conversation.objects.update(team=yao.team)
    conversation.take_over(yao, at=clock.now)
    client.force_login(yao)
    path = path_of(conversation, create_macro(yao, {"type": "transfer", "team": sales.pk}), "/run")
    first = client.post(path, {"ref": "r"}, **JSON)
    assert first.json()["done"] == [1]
    assert client.post(path, {"ref": "r"}, **JSON).json() == first.json()
    assert client.post(path, {"ref": "s"}, **JSON).status_code == 404


def test_a_ref_that_is_too_long_and_the_anonymous(awa_browser, client, create_macro, awa, held_by_awa):
    path = path_of(held_by_awa, create_macro(awa, NOTE), "/run")
    refused = awa_browser.post(path, {"ref": "x" * 65}, **JSON)
    assert (refused.status_code, refused.json()["code"], refused.json()["done"]) == (422, "ref", [])
    assert awa_browser.post(path, {"ref": "x" * 65}).status_code == 422
    assert awa_browser.get(path).status_code == 405
    awa_browser.logout()
    assert client.post(path, **JSON).status_code == 401
