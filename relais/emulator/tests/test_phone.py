"""The phone in the browser: its calls go through the double, and its page runs no foreign code."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette

from relais.emulator import phone
from relais.emulator.phone_language import FOLDER, translated_page, translations
from relais.emulator.testing import RunningDouble, ServerThread
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.stub_desk import StubDesk

IBRAHIM = "whatsapp:+2250708091011"


@pytest.fixture
def simulator(double: RunningDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the page, with the phones of Fatou and Ibrahim."""
    monkeypatch.setattr(phone, "configuration", lambda: phone.PhoneConfiguration(double.url, "Mercedes-Benz"))
    double.add_client("Fatou Diallo", FATOU)
    double.add_client("Ibrahim Koné", IBRAHIM)
    server = ServerThread(Starlette(routes=phone.routes))
    yield f"{server.url}/simulator"
    server.stop()


@pytest.mark.parametrize("path", ["", "/", "/static/main.js", "/api/state"])
def test_every_response_has_security_headers(simulator: str, path: str) -> None:
    response = requests.get(simulator + path, timeout=30)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self';")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_has_no_inline_script_or_style(simulator: str) -> None:
    page = requests.get(simulator, timeout=30).text
    assert "<style" not in page and " style=" not in page and " on" + "click" not in page
    assert page.count("<script") == page.count('<script type="module" src=')


def test_the_state_names_the_company_and_the_clients(simulator: str) -> None:
    state = requests.get(f"{simulator}/api/state", timeout=30).json()
    assert state["company"] == {"name": "Mercedes-Benz", "number": "+1 415 523 8886"}
    assert [each["number"] for each in state["people"]] == ["+212 6 12 34 56 78", "+225 07 08 09 1011"]


def test_a_message_reaches_the_desk_signed(simulator: str, desk: StubDesk, double: RunningDouble) -> None:
    response = requests.post(f"{simulator}/api/messages", json={"from": FATOU, "body": "bonjour"}, timeout=30)
    double.wait_until_idle()
    assert response.status_code == 200
    assert desk.calls[0].has_valid_signature
    assert desk.calls[0].params["ProfileName"] == "Fatou Diallo"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_foreign_page_cannot_write(simulator: str, desk: StubDesk, headers: dict[str, str]) -> None:
    response = requests.post(
        f"{simulator}/api/messages", json={"from": FATOU, "body": "x"}, headers=headers, timeout=30
    )
    assert response.status_code == 403
    assert desk.calls == []


@pytest.mark.parametrize("content_type", ["image/svg+xml", "text/html", "application/x-msdownload", ""])
def test_a_file_type_that_whatsapp_does_not_accept_is_refused(simulator: str, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = requests.post(f"{simulator}/api/uploads", data=b"x", headers=headers, timeout=30)
    assert response.status_code == 415


def test_pictures_are_inline_and_other_files_attachments(simulator: str, double: RunningDouble) -> None:
    for content_type, disposition in (("image/png", "inline"), ("text/html", "attachment")):
        message = double.client_writes(FATOU, "", media=(b"<b>", content_type, "a"))
        response = requests.get(f"{simulator}/api/media/{message.media[0].sid}", timeout=30)
        assert response.headers["content-disposition"] == f'{disposition}; filename="a"'


def test_without_the_double_the_phone_is_offline(simulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        phone, "configuration", lambda: phone.PhoneConfiguration("http://127.0.0.1:1", "Mercedes-Benz")
    )
    response = requests.get(f"{simulator}/api/state", timeout=30)
    assert response.status_code == 502
    assert "pas de réseau" in response.json()["error"]


NO_COUNTRY_CODE = "Indiquez le numéro avec son indicatif, par exemple +212 6 12 34 56 78."


def in_a_browser(story: Callable[[Browser], None]) -> None:
    """In its own thread, because Playwright's event loop would else be that of all later tests."""

    def run() -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
            )
            story(browser)
            browser.close()

    with ThreadPoolExecutor(1) as executor:
        executor.submit(run).result()


def phone_of(page: Page, client: str) -> "PhoneOnPage":
    return PhoneOnPage(page, client)


class PhoneOnPage:
    def __init__(self, page: Page, client: str) -> None:
        self.all = page.locator(f'[data-phone="{client}"]')
        self.own = self.all.locator(".mine")
        self.received = self.all.locator(".bubble:not(.mine)")

    def writes(self, text: str) -> None:
        self.all.locator("textarea").fill(text)
        self.all.locator("textarea").press("Enter")


def test_a_client_writes_reads_the_reply_and_finds_both_after_a_reload(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page(locale="fr-FR")
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        fatou.writes("Bonjour <img src=x onerror=alert(1)> é😀")
        expect(fatou.own.locator(".text")).to_have_text("Bonjour <img src=x onerror=alert(1)> é😀")
        expect(fatou.own.locator("[data-tick=delivered]")).to_be_visible()
        double.sdk().messages.create(to=FATOU, from_=COMPANY, body="<b>Bienvenue</b>\nأهلا")
        expect(fatou.received.locator(".text")).to_have_text("<b>Bienvenue</b>\nأهلا")
        double.wait_for(lambda: double.accepted()[0].status == "read")
        page.reload()
        expect(fatou.own).to_have_count(1)
        expect(fatou.received).to_have_count(1)
        expect(phone_of(page, IBRAHIM).all).to_be_visible()
        expect(phone_of(page, IBRAHIM).all.locator(".bubble")).to_have_count(0)
        assert errors == []

    in_a_browser(story)


def test_messages_written_quickly_arrive_complete_and_in_order(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        field = phone_of(page, FATOU).all.locator("textarea")
        field.focus()
        for number in range(12):
            page.keyboard.type(f"ligne {number}")
            page.keyboard.press("Enter")
        expect(phone_of(page, FATOU).own).to_have_count(12)
        double.wait_until_idle()
        assert [call.params["Body"] for call in desk.calls] == [f"ligne {number}" for number in range(12)]

    in_a_browser(story)


BUTTONS = {"body": "Vous venez ?", "actions": [{"type": "QUICK_REPLY", "title": "Oui", "id": "choice-1"}]}
ITEMS = {
    "body": "Où ?",
    "button": "Choisir",
    "items": [{"item": "Fès", "id": "choice-1", "description": "Centre"}],
}


@pytest.mark.parametrize(
    ("types", "parameters"),
    [
        (
            {"twilio/quick-reply": BUTTONS},
            {"Body": "Oui", "ButtonText": "Oui", "ButtonPayload": "choice-1", "MessageType": "button"},
        ),
        (
            {"twilio/list-picker": ITEMS},
            {"Body": "Fès", "ListTitle": "Fès", "ListId": "choice-1", "ListDescription": "Centre"},
        ),
    ],
)
def test_a_tap_reaches_the_desk_with_its_question(
    simulator: str, double: RunningDouble, desk: StubDesk, types: object, parameters: dict[str, str]
) -> None:
    double.open_window(FATOU)
    payload = {"friendly_name": "q", "language": "fr", "types": types}
    credentials = (double.settings.account_sid, double.settings.auth_token)
    content = requests.post(f"{double.url}/v1/Content", json=payload, auth=credentials, timeout=5).json()
    question = double.sdk().messages.create(to=FATOU, from_=COMPANY, content_sid=content["sid"])

    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        fatou.received.get_by_role("button", name=parameters["Body"]).click()
        expect(fatou.own.locator(".text")).to_have_text(parameters["Body"])
        double.wait_until_idle()
        expected = parameters | {
            "OriginalRepliedMessageSid": question.sid,
            "OriginalRepliedMessageSender": COMPANY,
        }
        assert expected.items() <= desk.calls[0].params.items()

    in_a_browser(story)


def test_a_picture_is_sent_and_shown(simulator: str, double: RunningDouble, desk: StubDesk) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        picture = {"name": "rayure.png", "mimeType": "image/png", "buffer": PIXEL}
        fatou.all.locator("input[type=file]").set_input_files(picture)  # type: ignore[arg-type]
        fatou.writes("la voici")
        expect(fatou.own.locator("img")).to_have_js_property("naturalWidth", 1)
        expect(fatou.all.locator(".attached")).to_be_hidden()
        assert desk.calls[0].params["MediaContentType0"] == "image/png"

    in_a_browser(story)


def test_several_pictures_are_a_message_each(simulator: str, double: RunningDouble, desk: StubDesk) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        pictures = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": PIXEL} for n in range(3)]
        fatou.all.locator("input[type=file]").set_input_files(pictures)  # type: ignore[arg-type]
        expect(fatou.all.locator(".attached")).to_contain_text("0.png, 1.png, 2.png")
        fatou.writes("les voici")
        expect(fatou.own.locator("img")).to_have_count(3)
        double.wait_until_idle()
        assert [call.params["Body"] for call in desk.calls] == ["les voici", "", ""]
        assert {call.params["MediaContentType0"] for call in desk.calls} == {"image/png"}

    in_a_browser(story)


def test_a_client_sends_a_voice_note_a_video_a_position_and_a_contact(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        for number, name in enumerate(("Message vocal", "Vidéo", "Position", "Contact"), start=1):
            fatou.all.locator(".samples summary").click()
            fatou.all.get_by_role("button", name=name).click()
            expect(fatou.own).to_have_count(number)
        for kind in ("audio", "video"):
            player = fatou.own.locator(kind)
            expect(player).to_have_js_property("readyState", 4)
            assert round(player.evaluate("(player) => player.duration")) == 2
        expect(fatou.own.nth(2)).to_contain_text("Gare Casa-Port")
        expect(fatou.own.nth(3)).to_contain_text("Contact")
        double.wait_until_idle()
        calls = [call.params for call in desk.calls]
        assert [call["MessageType"] for call in calls] == ["audio", "video", "location", "contacts"]
        assert (calls[2]["Latitude"], calls[2]["NumMedia"]) == ("33.589886", "0")
        assert requests.get(
            double.url + "/control/media/" + calls[3]["MediaUrl0"].rpartition("/")[2], timeout=5
        ).text.startswith("BEGIN:VCARD")

    in_a_browser(story)


def test_a_message_the_desk_does_not_accept_is_shown_as_not_delivered(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        desk.answers = [503] * 4
        fatou = phone_of(page, FATOU)
        fatou.writes("Il y a quelqu'un ?")
        expect(fatou.own.locator(".meta")).to_contain_text("Non remis")

    in_a_browser(story)


def test_after_a_restart_of_the_double_the_page_reloads_its_state(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        fatou = phone_of(page, FATOU)
        fatou.writes("avant")
        expect(fatou.own).to_have_count(1)
        double.forget_messages()
        expect(fatou.own).to_have_count(0)
        fatou.writes("après")
        expect(fatou.own.locator(".text")).to_have_text("après")

    in_a_browser(story)


def test_without_network_the_page_says_so_until_it_is_back(simulator: str, double: RunningDouble) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        expect(page.locator(".phone")).to_have_count(2)
        with double.unreachable():
            expect(page.get_by_role("status")).to_contain_text("Pas de réseau")
        expect(page.get_by_role("status")).to_be_hidden()

    in_a_browser(story)


def test_on_a_narrow_screen_one_phone_at_a_time(simulator: str, double: RunningDouble) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(simulator)
        expect(page.locator(".phone")).to_have_count(1)
        double.open_window(IBRAHIM)
        double.sdk().messages.create(to=IBRAHIM, from_=COMPANY, body="Votre véhicule est prêt.")
        chip = page.locator(f'[data-chip="{IBRAHIM}"]')
        expect(chip.locator(".unread")).to_contain_text("1")
        assert double.accepted()[0].status == "delivered"
        chip.click()
        expect(phone_of(page, IBRAHIM).received).to_have_count(1)
        expect(chip.locator(".unread")).to_have_count(0)
        double.wait_for(lambda: double.accepted()[0].status == "read")
        assert page.evaluate("document.documentElement.scrollWidth") == 390

    in_a_browser(story)


def test_a_client_is_added_by_name_and_number(simulator: str, double: RunningDouble) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(simulator)
        page.get_by_role("button", name="Ajouter un client").click()
        page.get_by_label("Nom").fill("Aïcha Traoré")
        page.get_by_label("Numéro").fill("07 01 02 03 04")
        page.get_by_role("button", name="Ajouter", exact=True).click()
        expect(page.get_by_role("alert").filter(has_text="indicatif")).to_be_visible()
        page.get_by_label("Numéro").fill("+225 07 01 02 03 04")
        page.get_by_role("button", name="Ajouter", exact=True).click()
        aicha = phone_of(page, "whatsapp:+2250701020304")
        expect(aicha.all.get_by_role("heading", name="Aïcha Traoré")).to_be_visible()
        aicha.all.get_by_role("button", name="Retirer ce client").click()
        expect(page.locator("[data-chip]")).to_have_count(2)

    in_a_browser(story)


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


# -- in other languages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "tag", "title"), [("en", "en-GB", "Simulator"), ("ar", "ar-MA", "المحاكي")]
)
def test_the_page_is_in_the_language_of_the_link_or_the_cookie(
    simulator: str, language: str, tag: str, title: str
) -> None:
    for response in (
        requests.get(simulator, params={"lang": language}, timeout=5),
        requests.get(simulator, cookies={"django_language": language}, timeout=5),
    ):
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{tag}" dir="{direction}"' in response.text
        assert f"<h1>{title}</h1>" in response.text


def test_an_unknown_language_is_french(simulator: str) -> None:
    page = requests.get(simulator, params={"lang": "xx"}, timeout=5).text
    assert '<html lang="fr-FR" dir="ltr"' in page
    assert "<h1>Simulateur</h1>" in page


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_sentence_of_the_page_and_its_scripts_is_translated(language: str) -> None:
    words = translations(language)
    page = translated_page("fr").replace("&nbsp;", " ")
    texts = re.findall(r'(?:>|\b(?:title|aria-label)=")\s*([^<>"]*[A-Za-zÀ-ÿ]{2}[^<>"]*?)\s*[<"]', page)
    scripts = "".join(file.read_text() for file in (FOLDER / "static/emulator").glob("*.js"))
    calls = re.findall(r'translate\((?:[^")]*\? )?"([^"]+)"', scripts)
    assert len(texts) > 20 and len(calls) > 8
    sentences = {text for text in (*texts, *calls) if text != "Message"}
    assert {each.replace("\\u00a0", " ") for each in sentences} <= set(words)


TEXT_END = """(element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return range.getBoundingClientRect().right;
}"""


@pytest.mark.parametrize("width", [390, 1440])
def test_in_arabic_a_number_is_under_the_name(simulator: str, width: int) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.goto(f"{simulator}?lang=ar")
        phone = page.get_by_label("هاتف Fatou Diallo")
        for heading in ("h2", "h3"):
            name = phone.locator(heading).evaluate(TEXT_END)
            assert phone.locator(f"{heading} ~ .number").evaluate(TEXT_END) == pytest.approx(name, abs=1)

    in_a_browser(story)


def test_an_arabic_reader_sees_arabic_on_the_phone(
    simulator: str, double: RunningDouble, desk: StubDesk
) -> None:
    def story(browser: Browser) -> None:
        page = browser.new_page()
        page.goto(f"{simulator}?lang=ar")
        expect(page.get_by_label("هاتف Fatou Diallo")).to_be_visible()
        page.get_by_role("button", name="إضافة زبون").click()
        page.locator("dialog [name=number]").fill("12")
        page.locator("dialog [type=submit]").click()
        expect(page.locator("dialog [role=alert]")).to_have_text(translations("ar")[NO_COUNTRY_CODE])

    in_a_browser(story)
