"""A quick reply with choices in a real browser: written in the form, chosen in the composer or command bar, sent, saved."""

import pytest
from playwright.sync_api import expect

from relais.choices import parse_choices
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target
from tests.accessibility import violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def reply(awa, clock):
    items = [{"title": "Rabat", "description": "Agdal"}, {"title": "Fès"}]
    target, choices = parse_target("mine", awa), parse_choices("list", items, "Voir")
    return QuickReply.create(
        by=awa, target=target, shortcut="lieu", title="", text="{prénom}, où ?", at=clock.now, choices=choices
    )


def test_a_chosen_reply_opens_the_choices_which_are_edited_and_sent(run_story, awa, held_by_awa, reply):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        field = page.get_by_role("textbox", name="Votre message")
        field.press_sequentially("/lieu")
        expect(page.get_by_role("option")).to_contain_text(["Rabat · Fès"])
        field.press("Enter")
        dialog = page.get_by_role("dialog", name="Proposer des choix")
        expect(dialog.get_by_label("Votre question")).to_have_value("Fatou, où ?")
        expect(dialog.get_by_role("radio", name="Liste")).to_be_checked()
        expect(dialog.get_by_label("Bouton qui ouvre la liste")).to_have_value("Voir")
        expect(dialog.locator("[data-preview-choices] > li")).to_have_text(["RabatAgdal", "Fès"])
        assert not list(violations(page, "light", "choices of a quick reply"))
        dialog.get_by_label("Choix 3, titre").fill("Agadir")
        dialog.get_by_label("Choix 3, titre").press("Enter")
        expect(dialog).to_have_count(0)
        sent = page.locator("#thread .message--agent .choices__choice")
        expect(sent).to_have_count(3)
        expect(sent).to_contain_text(["Agdal", "Fès", "Agadir"])
        expect(field).to_have_value("")

        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill("lieu")
        page.get_by_role("option", name="Fatou, où").first.click()
        expect(dialog.get_by_label("Votre question")).to_have_value("Fatou, où ?")
        expect(dialog.get_by_label("Choix 1, titre")).to_have_value("Rabat")

    run_story(story)
    reply.refresh_from_db()
    assert (reply.use_count, reply.choice_titles) == (2, ["Rabat", "Fès"])


def test_a_question_of_the_dialog_is_saved_as_a_reply(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.get_by_role("button", name="Proposer des choix").click()
        dialog = page.get_by_role("dialog", name="Proposer des choix")
        expect(dialog.locator("[data-list-only]").first).to_be_hidden()
        dialog.get_by_label("Votre question").fill("Vous venez ?")
        dialog.get_by_label("Choix 1, titre").fill("Oui")
        with page.expect_popup() as opened:
            dialog.get_by_role("button", name="En faire une réponse rapide").click()
        form = opened.value
        form.wait_for_load_state()
        expect(form.get_by_label("Texte")).to_have_value("Vous venez ?")
        expect(form.get_by_label("Choix 4, titre")).to_be_hidden()
        form.get_by_label("Choix 2, titre").fill("Non")
        expect(form.locator("#preview .choices__choice")).to_have_text(["Oui", "Non"])
        form.get_by_role("textbox", name="Raccourci").fill("venez")
        form.get_by_role("button", name="Créer").click()
        expect(form.get_by_role("link", name="/venez")).to_be_visible()
        expect(dialog).to_be_visible()

    run_story(story)
    assert QuickReply.objects.get().choice_titles == ["Oui", "Non"]
