"""« Awa regarde » on the rows of lists: live, for colleagues only, and gone when she leaves."""

import pytest
from playwright.sync_api import expect

from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def test_rows_say_who_looks(run_story, awa, koffi, mariam, with_bot, fatou_writes):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000077", name="Ibrahim")

    def story(browsers: Browsers) -> None:
        koffis = browsers.open_page(koffi, "/dashboard/active")
        expect_live(koffis)
        awas = browsers.open_page(awa, f"/dashboard/chat/{with_bot.pk}")
        chip, other_chip = (koffis.locator(f"#row-{each.pk} .row__viewers") for each in (with_bot, other))
        expect(chip).to_be_visible()
        expect(chip).to_have_text("Awa regarde")
        expect(other_chip).to_be_hidden()
        expect(awas.locator(f"#row-{with_bot.pk} .row__viewers")).to_be_hidden()  # herself

        fatou_writes("toujours là ?")  # the row is replaced, and still says so
        expect(koffis.locator(f"#row-{with_bot.pk}")).to_contain_text("toujours là ?")
        expect(chip).to_have_text("Awa regarde")
        mariams = browsers.open_page(mariam, f"/dashboard/chat/{with_bot.pk}")
        expect(chip).to_have_text("Awa regarde +1")
        expect(mariams.locator(f"#row-{with_bot.pk} .row__viewers")).to_have_text("Awa regarde")

        awas.locator(f"#row-{other.pk} .row__open").click()
        expect(other_chip).to_have_text("Awa regarde")
        expect(chip).to_have_text("Mariam regarde")
        awas.close()
        expect(other_chip).to_be_hidden()

    run_story(story)
