"""Makes the pictures of the guides: `bin/screenshots [fr en ar]`. It starts a demo of its own and leaves nothing behind.

What the pictures show is the demo's sample conversations. Their times are relative to now, so the browser's time zone
is the one in which it is about ten in the morning.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from relais.bench.instance import running_instance
from relais.demo_accounts import DEMO_PASSWORD
from relais.environment import ROOT
from tests.browser import CHROMIUM_OPTIONS, expect_live

FOLDER = ROOT / "docs" / "images"
PHOTO = ROOT / "relais" / "demo" / "car_dashboard.jpg"
LANGUAGES = {"fr": "fr-FR", "en": "en-GB", "ar": "ar-MA"}
WIDE, NARROW = (1280, 800), (390, 780)
MAX_COLORS = 160
MAX_BYTES = 120_000
LOCAL_HOUR = 10
PHONE_SCALE = 2


def attach_files(page: Page) -> None:
    page.locator("[data-files]").set_input_files(
        [
            {"name": "Tableau de bord.jpg", "mimeType": "image/jpeg", "buffer": PHOTO.read_bytes()},
            {
                "name": "Devis révision.pdf",
                "mimeType": "application/pdf",
                "buffer": b"%PDF-1.7" + bytes(84_000),
            },
        ]
    )
    expect(page.locator("[data-file-list] li")).to_have_count(2)


def record_voice_note(page: Page) -> None:
    page.context.grant_permissions(["microphone"])
    page.keyboard.press("Alt+v")
    expect(page.locator(".voice [data-voice-time]")).to_have_text("0:02")
    page.keyboard.press("Alt+v")
    expect(page.locator(".voice audio")).to_be_visible()


def choose_template(page: Page) -> None:
    """A template with its variables filled in, and the preview."""
    page.locator('#chat a[href$="/send-template"]').first.click()
    page.locator("[data-template]", has_text="vehicule_pret").last.click()
    expect(page.locator("[data-template-form]")).to_be_visible()
    values = ("James", "Classe C", "18 h")
    for field, value in zip(page.locator("[data-template-form] [data-variable]").all(), values, strict=True):
        field.fill(value)


def compose_choices(page: Page) -> None:
    composer(page).fill("Quand pouvez-vous passer à l'atelier ?")
    page.locator('#chat a[href$="/send-choices"]').click()
    titles = page.locator("[data-choices-dialog] [data-choice-title]:visible")
    expect(page.locator("[data-choices-preview]")).to_be_visible()
    for number, title in enumerate(("Mardi 9 h", "Mercredi 14 h", "Rappelez-moi")):
        titles.nth(number).fill(title)


@dataclass(frozen=True)
class Picture:
    name: str
    path: str
    prepare: Callable[[Page], object] = lambda page: None
    user: str = "agent1"
    size: tuple[int, int] = WIDE
    languages: tuple[str, ...] = ("fr",)
    theme: str = "light"
    viewer: str = ""
    """Another user who opens the same page before the picture is made."""


def open_client(name: str, then: Callable[[Page], object] = lambda page: None) -> Callable[[Page], None]:
    """Open the conversation of this client from the list of all."""

    def prepare(page: Page) -> None:
        page.locator(".row", has_text=name).first.locator(".row__open").click()
        expect(page.locator("#chat")).to_contain_text(name)
        expect_live(page)
        then(page)

    return prepare


def press(key: str) -> Callable[[Page], None]:
    """Press a key that opens a dialog."""

    def prepare(page: Page) -> None:
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()

    return prepare


def composer(page: Page) -> Locator:
    return page.locator("#chat textarea[name=message]")


def choose_quick_reply(page: Page) -> None:
    composer(page).click()
    composer(page).press_sequentially("/")
    expect(page.get_by_role("option").first).to_be_visible()


def find_actions(page: Page) -> None:
    press("Control+k")(page)
    page.keyboard.type("cl")
    expect(page.get_by_role("option").first).to_be_visible()


def open_macro(page: Page) -> None:
    """The preview of the first macro."""
    press("m")(page)
    page.locator("[data-macro-open]").first.click()
    expect(page.locator("[data-macro-list]")).to_have_count(0)


def choose_several(page: Page) -> None:
    """Three rows of the list beside the conversation."""
    rows = page.locator(".desk__list .row")
    rows.first.hover()
    expect(page.locator(".desk__list .row__select").first).to_be_attached()
    for number in range(3):
        rows.nth(number).locator(".row__select").check(force=True)
    expect(page.locator(".desk__list [data-bulk-count]")).to_be_visible()


def upload_clients(page: Page) -> None:
    """The preview of an import with a new client, a known one and a number that is refused."""
    rows = ["Nom;Téléphone;E-mail;Ville", "Sanaa Alaoui;0661234567;sanaa@example.com;Rabat"]
    rows += ["Rachid El Idrissi;0661408215;;Casablanca", "Omar Tazi;12;omar@example.com;Fès"]
    file = {"name": "clients.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()}
    page.locator("main input[type=file]").set_input_files(files=[file])  # type: ignore[list-item]
    page.locator("main form.panel .button--primary").click()
    expect(page.locator("#import-preview")).to_be_visible()


ALL = "/dashboard/conversations"
EVERYWHERE = ("fr", "en", "ar")
# Lists first: opening a conversation marks it as read.
PICTURES = (
    Picture("dashboard", "/dashboard", languages=EVERYWHERE),
    Picture("conversations", ALL, languages=EVERYWHERE),
    Picture("waiting", "/dashboard/pending"),
    Picture("conversation", ALL, open_client("Rachid El Idrissi"), languages=EVERYWHERE),
    Picture("bot", ALL, open_client("Jean-Marc Assi")),
    Picture("photo", ALL, open_client("Aïcha Kouamé"), theme="dark"),
    Picture("transfer", ALL, open_client("Claire Delmas", press("r"))),
    Picture("snooze", ALL, open_client("Claire Delmas", press("p"))),
    Picture("viewing", ALL, open_client("Rachid El Idrissi"), viewer="agent2"),
    Picture("several", ALL, open_client("Claire Delmas", choose_several)),
    Picture("macro", ALL, open_client("Claire Delmas", open_macro), languages=EVERYWHERE),
    Picture("import", "/dashboard/clients/import", upload_clients, user="superviseur"),
    Picture("command-bar", ALL, open_client("Patrick Brou", find_actions)),
    Picture("search", "/dashboard/search?q=livraison", languages=EVERYWHERE),
    Picture("clients", "/dashboard/clients"),
    Picture("phone", ALL, open_client("Rachid El Idrissi"), size=NARROW, languages=EVERYWHERE),
    Picture("notifications", "/dashboard/settings/notifications"),
    Picture("profile", "/dashboard/profile"),
    Picture("settings", "/dashboard/settings", user="admin"),
    Picture("flows", "/dashboard/flows", user="admin"),
    Picture("status", "/dashboard/state", user="admin"),
    Picture("files", ALL, open_client("James Whitfield", attach_files)),
    Picture("voice", ALL, open_client("James Whitfield", record_voice_note)),
    Picture("template", ALL, open_client("James Whitfield", choose_template)),
    # Last: what was typed stays as a draft.
    Picture("quick-reply", ALL, open_client("James Whitfield", choose_quick_reply)),
    Picture("choices", ALL, open_client("James Whitfield", compose_choices)),
)


def main(languages: list[str]) -> None:
    with sync_playwright() as playwright:
        for language in languages:
            # The browser's own words, such as those of a file field; they need Debian's package chromium-l10n.
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=CHROMIUM_OPTIONS,
                env=os.environ | {"LANGUAGE": LANGUAGES[language].replace("-", "_")},
            )
            # A new demo for each: what was read or typed in one language is not in the next.
            with (
                tempfile.TemporaryDirectory(prefix="relais-screenshots-") as folder,
                running_instance(Path(folder) / "data", RELAIS_DEMO_CONVERSATIONS="1") as desk,
            ):
                make_pictures(browser, desk.url, language)
            browser.close()


def make_pictures(browser: Browser, url: str, language: str) -> None:
    (FOLDER / language).mkdir(parents=True, exist_ok=True)
    cookies: dict[str, object] = {}
    for picture in PICTURES:
        if language not in picture.languages:
            continue
        for user in {picture.user, picture.viewer} - {"", *cookies}:
            cookies[user] = sign_in(browser, url, user, language)
        page = open_page(browser, picture, language, cookies[picture.user])
        page.goto(url + picture.path)
        expect_live(page)
        picture.prepare(page)
        if picture.viewer:
            open_page(browser, picture, language, cookies[picture.viewer]).goto(page.url)
            expect(page.locator("[data-presence]")).to_be_visible()
        page.wait_for_load_state("networkidle")
        save(page.screenshot(animations="disabled", caret="hide"), FOLDER / language / f"{picture.name}.png")
        for context in browser.contexts:
            context.close()


def open_page(browser: Browser, picture: Picture, language: str, cookies: object) -> Page:
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=PHONE_SCALE if picture.size == NARROW else 1,
        has_touch=picture.size == NARROW,
        color_scheme=picture.theme,  # type: ignore[arg-type]
        locale=LANGUAGES[language],
        timezone_id=time_zone(datetime.now(UTC)),
        reduced_motion="reduce",
        service_workers="block",
        storage_state=cookies,  # type: ignore[arg-type]
    )
    return context.new_page()


def sign_in(browser: Browser, url: str, user: str, language: str) -> object:
    """The cookies of the signed-in user, who reads that language."""
    context = browser.new_context(locale=LANGUAGES[language])
    page = context.new_page()
    page.goto(f"{url}/accounts/login/")
    page.locator("[name=login]").fill(f"{user}@relais.test")
    page.locator("[name=password]").fill(DEMO_PASSWORD)
    page.locator("[name=password]").press("Enter")
    expect(page.locator(".sidebar").first).to_be_visible()
    page.goto(f"{url}/dashboard/profile")
    page.locator("select[name=language]").select_option(language)
    page.locator("main form.panel button[type=submit]").click()
    expect(page.locator(f'html[lang^="{language}"]')).to_have_count(1)
    state = context.storage_state()
    context.close()
    return state


def time_zone(now: datetime) -> str:
    """The zone in which it is LOCAL_HOUR. POSIX turns the sign of these names round."""
    hours_ahead = (LOCAL_HOUR - now.hour + 11) % 24 - 11
    return f"Etc/GMT{-hours_ahead:+d}"


def save(png: bytes, file: Path) -> None:
    """With a palette, which suits flat interfaces: a third of the size."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(MAX_COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    assert size <= MAX_BYTES, f"{file.name} has {size} bytes"
    print(f"{file.relative_to(ROOT)}  {size // 1000} KB")


if __name__ == "__main__":
    main(sys.argv[1:] or list(LANGUAGES))
