"""Files in the composer: chosen, listed, removed, pasted, and sent with the text."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Media, MessageDelivery
from relais.conversations.tests.received_files import run_file_jobs
from relais.files.tests import samples
from tests.browser import expect_live

from .test_send_files import folders  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("clock_starts_now")


def chosen(name, content, mime="application/octet-stream"):
    return {"name": name, "mimeType": mime, "buffer": content}


def attach(page, *files):
    page.get_by_label("Joindre des fichiers").set_input_files(list(files))


def field(page):
    return page.get_by_role("textbox", name="Votre message")


def listed(page):
    return page.get_by_role("list", name="Fichiers à envoyer").get_by_role("listitem")


def test_an_agent_sends_files_with_a_text(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        attach(
            page,
            chosen("a.jpg", samples.picture(exif=False)),
            chosen("devis.pdf", samples.PDF),
            chosen("x.pdf", samples.PDF),
        )
        expect(listed(page)).to_have_count(3)
        page.get_by_role("button", name="Retirer x.pdf").click()
        expect(listed(page)).to_have_count(2)
        field(page).fill("Voici votre devis")
        page.keyboard.press("Enter")
        bubbles = page.locator("#thread .message--agent:not(.is-unsent)")
        expect(bubbles).to_have_count(2)
        expect(bubbles.first).to_contain_text("Voici votre devis")
        run_file_jobs()
        expect(bubbles.first.locator("img")).to_be_visible()
        expect(bubbles.last).to_contain_text("devis.pdf")
        expect(page.get_by_role("textbox", name="Votre message")).to_have_value("")

    run_story(story)
    assert list(Media.objects.order_by("pk").values_list("filename", flat=True)) == ["a.jpg", "devis.pdf"]


def test_a_refused_file_comes_back_with_its_text(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        attach(page, chosen("facture.pdf", b"MZ" + bytes(60)), chosen("devis.pdf", samples.PDF))
        field(page).fill("Mon long texte")
        page.keyboard.press("Enter")
        unsent = page.locator("#thread .is-unsent")
        expect(unsent.locator(".delivery__error")).to_contain_text("facture.pdf")
        expect(unsent).to_contain_text("devis.pdf")
        unsent.get_by_role("button", name="Modifier").click()
        expect(listed(page)).to_have_count(2)
        expect(field(page)).to_have_value("Mon long texte")
        page.get_by_role("button", name="Retirer facture.pdf").click()
        page.get_by_role("button", name="Envoyer").click()
        expect(page.locator("#thread .message--agent:not(.is-unsent)")).to_have_count(2)
        expect(unsent).to_have_count(0)

    run_story(story, allow_console_errors="422")
    assert list(Media.objects.values_list("filename", flat=True)) == ["devis.pdf"]


def test_what_whatsapp_takes_in_no_case_is_refused_at_once(run_story, awa, held_by_awa):
    def story(browsers):
        requests = []
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
        expect_live(page)
        attach(page, chosen("film.mp4", bytes(20 * 1024 * 1024)), chosen("vide.pdf", b""))
        problem = page.locator("[data-problem]")
        expect(problem).to_contain_text("film.mp4")
        expect(problem).to_contain_text("16")
        expect(problem).to_contain_text("vide.pdf")
        expect(listed(page)).to_have_count(0)
        attach(page, *[chosen(f"{n}.pdf", samples.PDF) for n in range(11)])
        expect(problem).to_contain_text("10 fichiers")
        expect(listed(page)).to_have_count(10)
        assert not [url for url in requests if url.endswith("/send")]

    run_story(story)


DROP = """
([kind, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["%PDF-1.7 x"], name, { type: "application/pdf" }));
  const field = document.querySelector("[data-composer] textarea");
  field.dispatchEvent(kind === "paste"
    ? new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: transfer })
    : new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}
"""


def test_files_are_dropped_and_pasted_and_wait_for_their_conversation(
    run_story, awa, held_by_awa, fatou_writes, clock
):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim Koné")
    other.take_over(awa, at=clock.now)

    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.evaluate(DROP, ["dragover", "glisser.pdf"])
        expect(page.locator("#chat[data-drop]")).to_be_visible()
        page.evaluate(DROP, ["drop", "glisser.pdf"])
        page.evaluate(DROP, ["paste", "coller.pdf"])
        attach(page, chosen("photo.jpg", samples.picture(), "image/jpeg"))
        expect(listed(page)).to_have_count(3)
        expect(listed(page).last.locator("img")).to_be_visible()
        page.locator(f".desk__list #row-{other.pk} .row__open").click()
        expect(page.get_by_role("textbox", name="Votre message à Ibrahim")).to_be_visible()
        expect(listed(page)).to_have_count(0)
        page.locator(f".desk__list #row-{held_by_awa.pk} .row__open").click()
        expect(listed(page)).to_have_count(3)
        expect(page.locator("#chat[data-drop]")).to_have_count(0)
        page.get_by_role("button", name="Envoyer").click()
        expect(page.locator("#thread .message--agent:not(.is-unsent)")).to_have_count(3)

    run_story(story)
    assert set(Media.objects.values_list("filename", flat=True)) == {"glisser.pdf", "coller.pdf", "photo.jpg"}
    assert set(Media.objects.values_list("event__conversation", flat=True)) == {held_by_awa.pk}


def test_a_lost_connection_resumes_with_the_same_ref(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        refs = []

        def lose_answer(route):
            refs.append(route.request.post_data_buffer)
            if len(refs) == 1:
                route.fetch()  # The server has it, the browser does not know.
                return route.abort()
            return route.continue_()

        attach(page, chosen("premier.pdf", samples.PDF))
        page.get_by_role("button", name="Envoyer").click()
        sent = page.locator("#thread .message--agent:not(.is-unsent)")
        expect(sent).to_have_count(1)
        page.context.set_offline(True)
        attach(page, chosen("devis.pdf", samples.PDF))
        field(page).fill("Votre devis")
        page.keyboard.press("Enter")
        unsent = page.locator("#thread .is-unsent")
        expect(unsent).to_contain_text("devis.pdf")
        expect(unsent.locator(".delivery")).to_have_attribute("data-state", "waiting")
        page.route("**/send", lose_answer)
        page.context.set_offline(False)
        expect(sent).to_have_count(3)
        expect(unsent).to_have_count(0)

    run_story(story, allow_console_errors="ERR_|WebSocket")
    assert Media.objects.count() == 2
    assert held_by_awa.events.filter(event_type="agent_message").count() == 3


def test_a_reload_keeps_files_that_are_not_sent(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.route("**/send", lambda route: route.abort())
        attach(page, chosen("devis.pdf", samples.PDF))
        page.get_by_role("button", name="Envoyer").click()
        expect(page.locator("#thread .is-unsent .delivery")).to_have_attribute("data-state", "waiting")
        page.unroute("**/send")
        page.reload()
        expect(page.locator("#thread .message--agent:not(.is-unsent)")).to_have_count(1)
        expect(page.locator("#thread .is-unsent")).to_have_count(0)

    run_story(story, allow_console_errors="ERR_")
    assert Media.objects.get().filename == "devis.pdf"


def test_undo_gives_back_files_and_text(run_story, awa, held_by_awa):
    awa.undo_seconds = 60
    awa.save()

    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        photo = samples.picture(size=(1200, 800), exif=False)
        attach(page, chosen("photo.jpg", photo), chosen("devis.pdf", samples.PDF))
        field(page).fill("Voici")
        page.keyboard.press("Enter")
        expect(page.locator("#thread [data-undo]")).to_have_count(2)
        run_file_jobs()
        expect(page.locator("#thread .bubble__picture > img")).to_have_js_property("naturalWidth", 640)
        page.locator("#thread [data-undo]").first.click()
        expect(field(page)).to_have_value("Voici")
        expect(listed(page)).to_have_count(2)
        expect(listed(page).first.locator("img")).to_have_js_property("naturalWidth", 1200)
        expect(listed(page).last).to_contain_text("devis.pdf")

    run_story(story)
    assert set(MessageDelivery.objects.exclude(reason="").values_list("reason", flat=True)) == {"undone"}


def test_on_a_phone_the_tools_are_one_menu(run_story, awa, held_by_awa):
    def story(browsers):
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", **phone)
        expect_live(page)
        menu = page.locator("#composer-menu")
        expect(menu).to_be_hidden()
        page.get_by_role("button", name="Ajouter").click()
        expect(menu.get_by_text("Joindre des fichiers")).to_be_visible()
        menu.get_by_role("button", name="Réponses rapides").click()
        expect(menu).to_be_hidden()
        expect(page.get_by_role("textbox", name="Votre message")).to_have_value("/")
        page.get_by_role("textbox", name="Votre message").fill("")
        page.get_by_label("Prendre une photo").set_input_files([chosen("IMG_1.jpg", samples.picture())])
        expect(listed(page)).to_have_count(1)
        page.get_by_label("Prendre une photo").set_input_files([chosen("IMG_2.jpg", samples.picture())])
        expect(listed(page)).to_have_count(2)

    run_story(story)


def test_a_key_opens_the_file_dialog(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Alt+j")
        chooser.value.set_files([chosen("devis.pdf", samples.PDF)])
        expect(page.get_by_role("button", name="Retirer devis.pdf")).to_be_visible()

    run_story(story)


MICROPHONE = {"permissions": ["microphone"]}


def test_a_voice_note_is_recorded_heard_and_sent(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", **MICROPHONE)
        expect_live(page)
        field(page).fill("Un brouillon")
        page.keyboard.press("Alt+v")
        voice = page.get_by_role("group", name="Message vocal")
        expect(voice.get_by_role("timer")).to_have_text("0:01")
        page.keyboard.press("Alt+v")
        sound = voice.locator("audio")
        expect(sound).to_be_visible()
        expect(sound).to_have_js_property("readyState", 4)
        voice.get_by_role("button", name="Envoyer").click()
        expect(voice).to_have_count(0)
        sent = page.locator("#thread .message--agent:not(.is-unsent)")
        expect(sent).to_contain_text("message-vocal.ogg")
        expect(field(page)).to_have_value("Un brouillon")

    run_story(story)
    media = Media.objects.get()
    assert (media.content_type, media.filename) == ("audio/ogg", "message-vocal.ogg")
    content = b"".join(media.file.read(start=0, length=media.file.size))
    assert content.startswith(b"OggS") and content[28:36] == b"OpusHead"


def test_a_voice_note_is_recorded_while_the_button_is_held(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", **MICROPHONE)
        expect_live(page)
        page.get_by_role("button", name="Message vocal", exact=True).hover()
        page.mouse.down()
        voice = page.get_by_role("group", name="Message vocal")
        expect(voice.get_by_role("timer")).to_have_text("0:01")
        page.mouse.up()
        expect(voice.locator("audio")).to_be_visible()
        voice.get_by_role("button", name="Supprimer").click()
        expect(voice).to_have_count(0)
        expect(field(page)).to_be_focused()

    run_story(story)
    assert not Media.objects.exists()


def test_a_microphone_that_is_refused_is_said(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.get_by_role("button", name="Message vocal", exact=True).click()
        expect(page.locator("[data-problem]")).to_contain_text("Le navigateur refuse le micro")

    run_story(story)


def test_the_microphone_is_for_the_conversation_page_alone(client, awa, held_by_awa):
    client.force_login(awa)
    policies = {
        path: client.get(path)["Permissions-Policy"]
        for path in (f"/dashboard/chat/{held_by_awa.pk}", "/dashboard", "/dashboard/conversations")
    }
    assert ["microphone=(self)" in each for each in policies.values()] == [True, False, False]
