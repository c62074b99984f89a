"""Received files in a browser: they appear by themselves, play in place, and pictures open in the viewer."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from relais.conversations.tests.received_files import VIDEO, VOICE, receive, run_file_jobs
from relais.files.tests import samples
from relais.files.tests.clamd_double import EICAR, running_clamd
from tests.accessibility import THEMES, in_theme, violations
from tests.browser import expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
RED, GREEN, BLUE = ((200, 20, 20), (20, 160, 20), (20, 20, 200))
PLACE = {"Latitude": "33.5731", "Longitude": "-7.5898", "Label": "Garage Nord", "Address": "12 rue de Fès"}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


@pytest.fixture
def three_pictures(held_by_awa, fatou_writes):
    for color in (RED, GREEN, BLUE):
        receive(fatou_writes, samples.picture(size=(1200, 800), color=color, exif=False), "image/jpeg")
    run_file_jobs()


def test_a_thumbnail_that_becomes_ready_appears_by_itself(run_story, awa, koffi, chat, fatou_writes):
    def story(browsers):
        pages = [browsers.open_page(user, chat) for user in (awa, koffi)]
        expect_live(*pages)
        receive(fatou_writes, samples.picture(), "image/jpeg")
        for page in pages:
            expect(page.locator(".bubble__pending")).to_be_visible()
        run_file_jobs()
        for page in pages:
            expect(page.locator(".bubble__picture > img")).to_have_js_property("naturalWidth", 48)
            assert "/thumbnail" in page.locator(".bubble__picture > img").get_attribute("src")

    run_story(story)


def test_the_viewer_by_keyboard(run_story, awa, chat, three_pictures):
    def story(browsers):
        page = browsers.open_page(awa, chat)
        expect_live(page)
        links = page.locator(".bubble__picture")
        links.nth(1).focus()
        page.keyboard.press("Enter")
        viewer = page.locator("#picture-viewer")
        image = viewer.locator("img")
        expect(image).to_have_js_property("naturalWidth", 1200)
        expect(viewer).to_have_css("opacity", "1")
        shown = [f"/dashboard/media/{link.get_attribute('href').rpartition('/')[2]}" for link in links.all()]
        expect(image).to_have_attribute("src", shown[1])
        page.wait_for_selector("#picture-viewer [data-zoom][aria-disabled]", state="attached")
        page.keyboard.press("ArrowRight")
        expect(image).to_have_attribute("src", shown[2])
        expect(viewer.locator("[rel=next]")).to_have_count(0)
        page.keyboard.press("ArrowLeft")
        expect(image).to_have_attribute("src", shown[1])
        page.keyboard.press("+")
        expect(image).to_have_attribute("style", re.compile(r"scale\(1\.5\)"))
        page.keyboard.press("-")
        expect(image).not_to_have_attribute("style", re.compile("scale"))
        for _press in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        page.keyboard.press("Escape")
        expect(viewer).to_have_count(0)
        expect(links.nth(1)).to_be_focused()

    run_story(story)


def test_the_viewer_by_fingers_and_mouse(run_story, awa, chat, three_pictures):
    def story(browsers):
        page = browsers.open_page(awa, chat, has_touch=True)
        expect_live(page)
        page.locator(".bubble__picture").nth(1).click()
        image = page.locator("#picture-viewer img")
        page.wait_for_selector("#picture-viewer [data-zoom][aria-disabled]", state="attached")
        first = image.get_attribute("src")
        touch = page.context.new_cdp_session(page)

        def fingers(kind, *points):
            touch.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]},
            )

        fingers("touchStart", (900, 450))
        fingers("touchMove", (700, 455))
        fingers("touchEnd")
        expect(image).not_to_have_attribute("src", first)
        fingers("touchStart", (600, 450), (700, 450))
        fingers("touchMove", (500, 450), (800, 450))
        fingers("touchEnd")
        expect(image).to_have_attribute("style", re.compile(r"scale\(3"))
        before = image.get_attribute("style")
        page.mouse.move(640, 450)
        page.mouse.down()
        page.mouse.move(700, 480, steps=3)
        page.mouse.up()
        expect(image).not_to_have_attribute("style", before)
        page.mouse.dblclick(640, 450)
        expect(image).not_to_have_attribute("style", re.compile("scale"))
        page.get_by_role("button", name="Fermer").click()
        expect(page.locator("#picture-viewer")).to_have_count(0)

    run_story(story)


def test_a_voice_note_and_a_video_play_in_place(run_story, awa, chat, held_by_awa, fatou_writes):
    receive(fatou_writes, VOICE, "audio/ogg")
    receive(fatou_writes, VIDEO, "video/mp4")
    run_file_jobs()

    def story(browsers):
        page = browsers.open_page(awa, chat)
        for kind in ("audio", "video"):
            player = page.locator(f"#thread {kind}")
            expect(player).to_have_js_property("paused", True)
            player.evaluate("(player) => { player.muted = true; player.play(); }")
            expect(player).to_have_js_property("ended", True)
            # Wherever a listener goes in it, the player asks for that part.
            player.evaluate("(player) => { player.currentTime = 1; }")
            expect(player).to_have_js_property("seeking", False)
        expect(page.locator("[data-duration]").first).to_have_text("0:02")

    run_story(story)


def test_the_end_of_a_scan_appears_by_itself(run_story, awa, chat, held_by_awa, fatou_writes, settings):
    def story(browsers):
        with running_clamd() as clamd:
            settings.ENVIRONMENT = replace(settings.ENVIRONMENT, clamav_url=clamd.url)
            page = browsers.open_page(awa, chat)
            expect_live(page)
            receive(fatou_writes, samples.PDF, "application/pdf", "devis.pdf")
            receive(fatou_writes, EICAR, "application/pdf", "facture.pdf")
            expect(page.get_by_text("Analyse antivirus en cours")).to_have_count(2)
            run_file_jobs()
            expect(page.get_by_role("link", name=re.compile("^devis.pdf"))).to_be_visible()
            expect(page.get_by_text("Virus trouvé")).to_be_visible()
            expect(page.get_by_text("Analyse antivirus en cours")).to_have_count(0)

    run_story(story)


def test_without_scripts_a_picture_opens_on_a_page(run_story, awa, chat, three_pictures):
    def story(browsers):
        page = browsers.open_page(awa, chat, java_script_enabled=False)
        page.locator(".bubble__picture").first.click()
        expect(page.locator("#picture-viewer img")).to_be_visible()
        page.get_by_role("link", name="Photo suivante").click()
        expect(page.get_by_role("link", name="Photo précédente")).to_be_visible()

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_received_files_are_accessible(run_story, theme, awa, chat, three_pictures, fatou_writes):
    receive(fatou_writes, VOICE, "audio/ogg")
    receive(fatou_writes, VIDEO, "video/mp4")
    receive(fatou_writes, samples.VCARD, "text/vcard")
    receive(fatou_writes, samples.PDF, "application/pdf", "devis.pdf")
    receive(
        fatou_writes, samples.picture("WEBP", mode="RGBA", color=(200, 90, 20, 90), exif=False), "image/webp"
    )
    fatou_writes("📍 Garage Nord · 12 rue de Fès · 33.5731, -7.5898", metadata={"parameters": PLACE})
    run_file_jobs()

    def story(browsers):
        page = browsers.open_page(awa, chat, in_theme(theme))
        expect_live(page)
        problems = list(violations(page, theme, "received files"))
        page.locator(".bubble__picture").first.click()
        expect(page.locator("#picture-viewer")).to_have_css("opacity", "1")
        problems += violations(page, theme, "the viewer")
        page.goto(browsers.url + page.locator("#picture-viewer").get_attribute("data-opened"))
        problems += violations(page, theme, "the page of a picture")
        assert problems == []

    run_story(story)
