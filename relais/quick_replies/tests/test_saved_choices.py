"""Choices of quick replies: checked and saved, in the form, in JSON, in a CSV, and sent by a macro."""

import json

import pytest
from django.test import Client as Browser
from django.urls import reverse

from relais.action_errors import InvalidField
from relais.choices import InvalidChoices, parse_choices
from relais.files.tests import samples
from relais.quick_replies.csv_files import plan_import, write_csv
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target
from relais.quick_replies.tests.test_reply_files import browser_of, folders, upload  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
PATH = "/dashboard/quick-replies"
JSON = {"headers": {"accept": "application/json"}}
OUI_NON = [{"title": "Oui"}, {"title": "Non"}]
STORED = {
    "kind": "buttons",
    "button": "",
    "items": [{"title": "Oui", "description": ""}, {"title": "Non", "description": ""}],
}
FIELDS = {"shortcut": "essai", "title": "", "text": "Vous venez, {prénom} ?", "scope": "mine"}
ROWS = {
    "kind": "list",
    "button": "",
    "choice_title": ["Rabat", "", "Fès"],
    "choice_description": ["Agdal", "", ""],
}


@pytest.fixture
def page(awa):
    return browser_of(awa)


@pytest.fixture
def save(awa, clock):
    """A function that saves a reply of Awa with choices."""

    def save_choices(
        text="Vous venez, {prénom} ?", items=OUI_NON, kind="buttons", shortcut="essai", files=()
    ):
        return QuickReply.create(
            by=awa,
            target=parse_target("mine", awa),
            shortcut=shortcut,
            title="",
            text=text,
            at=clock.now,
            files=files,
            choices=parse_choices(kind, items),
        )

    return save_choices


def stored():
    return QuickReply.objects.get().choices


class TestVerbs:
    def test_a_reply_keeps_its_choices_until_they_are_removed(self, awa, clock, save):
        reply = save()
        assert reply.choices == STORED
        fields = {"by": awa, "target": reply.target, "shortcut": "essai", "title": "", "at": clock.now}
        reply.change(**fields, text="Alors ?")
        assert (reply.text, reply.choices) == ("Alors ?", STORED)
        reply.change(**fields, text="Alors ?", choices=parse_choices("buttons", [{"title": "Peut-être"}]))
        assert reply.choice_titles == ["Peut-être"]
        reply.change(**fields, text="Alors ?", removes_choices=True)
        assert (reply.choices, reply.saved_choices) == (None, None)

    def test_the_same_reply_again_is_returned_and_other_choices_are_refused(self, save):
        assert save().pk == save().pk
        with pytest.raises(InvalidField, match="existe déjà"):
            save(items=[{"title": "Oui"}])

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"text": "x" * 1025}, "1024"),
            ({"text": "Où }} ?"}, "}}"),
            ({"items": [{"title": "{prénom}"}]}, "variable"),
        ],
    )
    def test_what_choices_cannot_carry_is_refused(self, save, fields, problem):
        with pytest.raises((InvalidChoices, InvalidField), match=problem):
            save(**fields)
        assert not QuickReply.objects.exists()

    def test_a_question_needs_a_text(self, save):
        with pytest.raises(InvalidField):
            save(text=" ")

    def test_the_search_finds_the_titles(self, save, awa):
        save()
        assert QuickReply.objects.visible_to(awa).matching("non").exists()
        assert not QuickReply.objects.visible_to(awa).matching("samedi").exists()


class TestJson:
    def test_choices_are_created_read_and_changed(self, page):
        created = page.post(PATH, FIELDS | {"choices": json.dumps(OUI_NON)}, **JSON).json()
        assert created["choices"] == STORED
        url = f"{PATH}/{created['id']}"
        body = page.get(url, **JSON).json()
        assert body["choices"] == STORED
        [found] = page.get(PATH, {"q": "oui"}, **JSON).json()["results"]
        assert found["choices"] == STORED
        page.post(url, {"text": "Alors ?"}, content_type="application/json", **JSON)
        assert stored() == STORED
        # What was read is understood.
        body["choices"]["items"].pop()
        page.post(url, {"choices": body["choices"]}, content_type="application/json", **JSON)
        assert [item["title"] for item in stored()["items"]] == ["Oui"]
        answer = page.post(url, {"choices": None}, content_type="application/json", **JSON).json()
        assert (answer["choices"], stored()) == (None, None)

    @pytest.mark.parametrize(
        ("choices", "word"),
        [
            (json.dumps([{"title": "x" * 21}]), "Choix 1"),
            ("Oui, Non", "liste JSON"),
            (json.dumps({"kind": "list", "items": []}), "au moins un"),
            (json.dumps({"kind": "x", "items": OUI_NON}), "boutons"),
        ],
    )
    def test_wrong_choices_are_refused_and_said(self, page, choices, word):
        answer = page.post(PATH, FIELDS | {"choices": choices}, **JSON)
        assert (answer.status_code, answer.json()["code"]) == (422, "choices_invalid")
        assert word in answer.json()["error"]
        assert not QuickReply.objects.exists()

    def test_files_and_choices_do_not_go_together(self, page, save):
        with_both = FIELDS | {"choices": json.dumps(OUI_NON), "files": upload(samples.PDF)}
        answer = page.post(PATH, with_both, **JSON)
        assert (answer.status_code, answer.json()["code"]) == (422, "choices_invalid")
        assert "pas les deux" in answer.json()["error"]
        reply = save()
        assert page.post(f"{PATH}/{reply.pk}", {"files": upload(samples.PDF)}, **JSON).status_code == 422
        assert not reply.files.exists()

    def test_a_text_that_is_too_long_once_filled_says_so(self, page, save, awa, held_by_awa):
        type(awa).objects.filter(pk=awa.pk).update(full_name="A" * 30)
        save(text="{agent}" + "x" * 1010)
        [found] = page.get(PATH, {"conversation": held_by_awa.pk}, **JSON).json()["results"]
        assert "1024" in found["problem"]

    def test_who_may_not_change_a_reply_changes_no_choices(self, mariam, koffi, create_reply):
        shared = create_reply(mariam, "a", scope="all")
        fields = {"choices": json.dumps(OUI_NON)}
        assert browser_of(koffi).post(f"{PATH}/{shared.pk}", fields, **JSON).status_code == 403
        mine = create_reply(mariam, "b")
        assert browser_of(koffi).post(f"{PATH}/{mine.pk}", fields, **JSON).status_code == 404
        assert Browser().post(f"{PATH}/{shared.pk}", fields, **JSON).status_code == 401
        assert not QuickReply.objects.filter(choices__isnull=False).exists()


class TestForm:
    def test_the_form_without_scripts_saves_its_filled_rows_and_removes_them(self, page):
        new = page.get(f"{PATH}/new").content.decode()
        assert (new.count('name="choice_title"'), new.count('name="title"')) == (10, 1)
        assert page.post(f"{PATH}/new", FIELDS | ROWS).status_code == 302
        assert stored() == {
            "kind": "list",
            "button": "Choisir",
            "items": [{"title": "Rabat", "description": "Agdal"}, {"title": "Fès", "description": ""}],
        }
        pk = QuickReply.objects.get().pk
        edit = page.get(f"{PATH}/{pk}").content.decode()
        assert 'value="Rabat"' in edit
        assert 'value="list" checked' in edit
        assert "Rabat" in page.get(PATH).content.decode()
        empty = {"kind": "list", "button": "Choisir", "choice_title": [""] * 10}
        assert page.post(f"{PATH}/{pk}", FIELDS | empty).status_code == 302
        assert stored() is None

    def test_a_refusal_shows_what_was_typed(self, page):
        rows = ROWS | {"kind": "buttons", "choice_title": ["Rabat", "x" * 21], "choice_description": ["", ""]}
        refused = page.post(f"{PATH}/new", FIELDS | rows)
        shown = refused.content.decode()
        assert (refused.status_code, "Choix 2" in shown, "x" * 21 in shown) == (422, True, True)

    def test_the_preview_shows_the_choices(self, page):
        shown = page.post(f"{PATH}/preview", {"text": "Où ?"} | ROWS).content.decode()
        assert all(text in shown for text in ("Où ?", "Rabat", "Agdal", "Fès", "Choisir"))

    def test_who_only_reads_a_reply_sees_its_choices(self, mariam, koffi, save):
        reply = save()
        QuickReply.objects.update(scope="all", owner=None)
        assert 'class="choices__choice"' in browser_of(koffi).get(f"{PATH}/{reply.pk}").content.decode()

    def test_a_question_of_the_dialog_fills_the_form_and_saves_nothing(self, page):
        fields = {
            "message": "Où ?",
            "draft": "1",
            "kind": "list",
            "title": ["Rabat", ""],
            "description": ["Agdal", ""],
        }
        shown = page.post(f"{PATH}/new", fields)
        page_text = shown.content.decode()
        assert shown.status_code == 200
        assert all(
            text in page_text for text in ("Où ?", 'value="Rabat"', 'value="Agdal"', 'value="list" checked')
        )
        assert page_text.count('name="choice_title"') == 10
        assert not QuickReply.objects.exists()


class TestCsv:
    def test_an_export_names_them_and_an_import_changes_none(self, awa, save):
        save()
        text = write_csv(QuickReply.objects.all())
        assert "choix" in text.splitlines()[0]
        assert "Oui, Non" in text
        [row] = plan_import(text, by=awa)
        assert (row.action, row.remark) == ("unchanged", "")
        QuickReply.objects.all().delete()
        [row] = plan_import(text, by=awa)
        assert row.action == "create"
        assert "Oui, Non" in row.remark

    def test_a_text_that_is_too_long_for_the_choices_is_refused(self, awa, save):
        save()
        [row] = plan_import(f"raccourci;texte\nessai;{'x' * 1025}\n", by=awa)
        assert row.action == "refuse"
        assert "1024" in row.problem


def test_the_dialog_of_choices_offers_to_save_them(page, held_by_awa):
    shown = page.get(reverse("send_choices", args=[held_by_awa.pk])).content.decode()
    assert f'formaction="{PATH}/new"' in shown
