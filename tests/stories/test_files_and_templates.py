"""Files, voice notes and templates on the whole demo: from the agent's page over Twilio's double to the client's phone, and back."""

import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import requests
from django.utils import timezone
from playwright.sync_api import FilePayload, Page, expect

from relais.bench.instance import RelaisInstance
from relais.files.tests import samples
from tests.browser import StoryRunner
from tests.stories.demo_browsers import DemoBrowsers, bubbles_on_phone, write_message

AGENT = "agent1@relais.test"
MICROPHONE = {"permissions": ["microphone"]}
PHOTO = samples.picture(size=(1600, 1200), exif=False)


def chosen(name: str, content: bytes, mime_type: str) -> FilePayload:
    return {"name": name, "mimeType": mime_type, "buffer": content}


def client_named(phone: Page, name: str) -> str:
    chip = phone.locator("[data-chip]", has_text=name)
    client = chip.get_attribute("data-chip") or ""
    if not phone.locator(f'[data-phone="{client}"]').is_visible():
        chip.click()
    expect(phone.locator(f'[data-phone="{client}"]')).to_be_visible()
    return client


def take_over(desk: Page, phone: Page, name: str) -> str:
    """The client writes, the agent takes over, and the phone has what both are told of it."""
    client = client_named(phone, name)
    write_message(phone, client, "Bonjour")
    desk.locator(".row", has_text=name).get_by_role("button", name="Prendre en charge").click()
    expect(desk).to_have_url(re.compile(r"/dashboard/chat/\d+$"))
    expect(desk.get_by_role("textbox", name="Votre message")).to_be_visible()
    expect(bubbles_on_phone(phone, client).last).to_contain_text("agent")
    return client


def content_on_phone(phone: Page, address: str | None) -> bytes:
    """What the double downloaded."""
    response = phone.request.get(urljoin(phone.url, address or ""))
    assert response.ok
    return response.body()


def control(demo: RelaisInstance, path: str, **payload: object) -> None:
    url = (Path(demo.folder) / "emulator.url").read_text().strip()
    requests.post(f"{url}/control/{path}", json=payload, timeout=30).raise_for_status()


def test_a_voice_note_is_heard_on_the_clients_phone(run_demo_story: StoryRunner) -> None:
    def story(browsers: DemoBrowsers) -> None:
        phone = browsers.open_phone()
        desk = browsers.sign_in(AGENT, "/dashboard/active", **MICROPHONE)
        client = take_over(desk, phone, "Fatou Diallo")
        desk.keyboard.press("Alt+v")
        voice = desk.get_by_role("group", name="Message vocal")
        expect(voice.get_by_role("timer")).to_have_text("0:01")
        desk.keyboard.press("Alt+v")
        expect(voice.locator("audio")).to_have_js_property("readyState", 4)
        voice.get_by_role("button", name="Envoyer").click()

        sound = bubbles_on_phone(phone, client).last.locator("audio")
        expect(sound).to_have_count(1)
        content = content_on_phone(phone, sound.get_attribute("src"))
        assert content.startswith(b"OggS") and content[28:36] == b"OpusHead"
        sound.evaluate("(audio) => { audio.muted = true; return audio.play(); }")
        expect(sound).to_have_js_property("error", None)
        expect(desk.locator(".message--agent .delivery").last).to_have_attribute("data-state", "read")
        expect(desk.locator(".message--agent audio")).to_have_count(1)

    run_demo_story(story)


def test_a_picture_and_a_pdf_arrive_and_a_video_of_20_mb_is_refused(
    demo: RelaisInstance, run_demo_story: StoryRunner, tmp_path: Path
) -> None:
    film = samples.mp4(payload=bytes(20 * 1024 * 1024))
    files = {"moteur.jpg": PHOTO, "film.mp4": film, "devis.pdf": samples.PDF}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def story(browsers: DemoBrowsers) -> None:
        phone = browsers.open_phone()
        desk = browsers.sign_in(AGENT, "/dashboard/active")
        client = take_over(desk, phone, "Ibrahim Koné")
        desk.get_by_label("Joindre des fichiers").set_input_files([tmp_path / name for name in files])
        problem = desk.locator("[data-problem]")
        expect(problem).to_contain_text("film.mp4")
        expect(problem).to_contain_text("16")
        expect(desk.get_by_role("list", name="Fichiers à envoyer").get_by_role("listitem")).to_have_count(2)
        field = desk.get_by_role("textbox", name="Votre message")
        field.fill("Voici la pièce et le devis")
        field.press("Enter")

        received = bubbles_on_phone(phone, client)
        picture = received.filter(has_text="Voici la pièce et le devis").locator("img")
        expect(picture).to_have_js_property("naturalWidth", 1600)
        assert content_on_phone(phone, picture.get_attribute("src")) == PHOTO
        document = received.last.get_by_role("link", name="devis.pdf")
        expect(document).to_be_visible()
        assert content_on_phone(phone, document.get_attribute("href")) == samples.PDF
        sent = desk.locator(".message--agent")
        expect(sent).to_have_count(2)
        for message in sent.all():
            expect(message.locator(".delivery")).to_have_attribute("data-state", "read")

        # Twilio cannot fetch the next one; it is sent again with another link.
        control(demo, "faults", on="create", fault="error", code=63019, times=1)
        desk.get_by_label("Joindre des fichiers").set_input_files(
            [chosen("facture.pdf", samples.PDF, "application/pdf")]
        )
        desk.get_by_role("button", name="Envoyer", exact=True).click()
        failed = sent.last
        expect(failed).to_contain_text("63019")
        expect(received.get_by_role("link", name="facture.pdf")).to_have_count(0)
        failed.get_by_role("button", name="Renvoyer").click()
        expect(received.get_by_role("link", name="facture.pdf")).to_have_count(1)
        expect(sent.last.locator(".delivery")).to_have_attribute("data-state", "read")

    run_demo_story(story)


def test_what_a_client_sends_is_played_opened_and_read_in_place(run_demo_story: StoryRunner) -> None:
    def story(browsers: DemoBrowsers) -> None:
        phone = browsers.open_phone()
        desk = browsers.sign_in(AGENT, "/dashboard/active")
        client = take_over(desk, phone, "Salma")
        device = phone.locator(f'[data-phone="{client}"]')
        thread = desk.locator("#thread")
        device.locator("input[type=file]").set_input_files(
            [chosen(f"photo-{n}.jpg", PHOTO, "image/jpeg") for n in range(2)]
        )
        device.locator("textarea").press("Enter")
        expect(device.locator(".mine img")).to_have_count(2)
        for sample in ("Message vocal", "Vidéo", "Position", "Contact"):
            count = device.locator(".mine").count()
            device.locator(".samples summary").click()
            device.get_by_role("button", name=sample).click()
            expect(device.locator(".mine")).to_have_count(count + 1)

        # Thumbnails and players appear by themselves, by jobs.
        thumbnails = thread.locator(".bubble__picture > img")
        expect(thumbnails).to_have_count(2)
        expect(thumbnails.first).to_have_js_property("naturalWidth", 640)
        expect(thread.locator("audio")).to_have_count(1)
        expect(thread.locator("video")).to_have_count(1)
        expect(thread.get_by_role("link", name="Ouvrir la carte")).to_have_count(1)
        expect(thread.get_by_text("Salma Idrissi", exact=True)).to_have_count(1)
        thread.locator("audio").evaluate("(audio) => { audio.muted = true; return audio.play(); }")
        thread.locator(".bubble__picture").first.click()
        viewer = desk.get_by_role("dialog")
        expect(viewer.locator("img")).to_have_js_property("naturalWidth", 1600)
        expect(viewer).to_contain_text("photo-0.jpg")
        desk.keyboard.press("ArrowRight")
        expect(viewer).to_contain_text("photo-1.jpg")
        desk.keyboard.press("Escape")
        expect(viewer).to_have_count(0)

    run_demo_story(story)


def test_a_template_of_the_account_reaches_a_client_whose_window_is_closed(
    demo: RelaisInstance, run_demo_story: StoryRunner
) -> None:
    text = "Bonjour Amina, vous nous aviez écrit à propos de votre véhicule."

    def story(browsers: DemoBrowsers) -> None:
        admin = browsers.sign_in("admin@relais.test", "/dashboard/templates")
        admin.get_by_role("button", name="Actualiser").click()
        expect(admin.locator("table")).to_contain_text("reprise_conversation")
        phone = browsers.open_phone()
        desk = browsers.sign_in(AGENT, "/dashboard/active")
        client = take_over(desk, phone, "أمينة العلوي")
        # A day later.
        control(demo, "window", address=client, open=False)
        with demo.connect() as database:
            database.execute(
                "update conversations set last_inbound_at = %s where id = %s",
                [timezone.now() - timedelta(hours=25), int(desk.url.rpartition("/")[2])],
            )
        desk.reload()
        composer = desk.locator("#composer")
        expect(composer.get_by_role("textbox")).to_have_count(0)
        composer.get_by_role("button", name="Envoyer un modèle").click()
        dialog = desk.get_by_role("dialog")
        expect(desk.locator("script[src*=template_dialog]")).to_have_count(1)
        dialog.get_by_role("searchbox").fill("reprise")
        dialog.get_by_role("link", name="reprise_conversation").first.click()
        dialog.get_by_label("Variable {{1}}").fill("Amina")
        expect(dialog.get_by_role("group", name="Aperçu")).to_contain_text(text)
        dialog.get_by_role("button", name="Envoyer le modèle").click()
        expect(dialog).to_have_count(0)
        expect(bubbles_on_phone(phone, client).last).to_contain_text(text)
        sent = desk.locator(".message--agent").last
        expect(sent).to_contain_text(text)
        expect(sent.locator(".delivery")).to_have_attribute("data-state", "read")

    run_demo_story(story)
    statuses = json.loads(demo.command("doctor", "--json").stdout)
    assert [each["state"] for each in statuses if each["name"] == "templates"] == ["ok"]
