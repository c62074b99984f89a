"""Parts of a long timeline: around a linked message, further up without a jump, and down to the present."""

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.models import ConversationEvent
from relais.conversations.tests.test_pages import get_html
from tests.browser import Browsers, expect_live

EVENTS = 3_000


@pytest.fixture
def long_conversation(held_by_awa, clock):
    """Thousands of messages of the client, written at once."""
    first = held_by_awa.events.order_by("-seq").first()
    events = [
        ConversationEvent(
            conversation=held_by_awa,
            seq=first.seq + n,
            rev=first.rev + n,
            event_type="message_received",
            author_kind="client",
            author_name="Fatou",
            body=f"ligne {n}",
            created_at=clock.passes(seconds=1),
        )
        for n in range(1, EVENTS + 1)
    ]
    ConversationEvent.objects.bulk_create(events)
    type(held_by_awa).objects.filter(pk=held_by_awa.pk).update(
        seq=events[-1].seq,
        rev=held_by_awa.deliveries.count() + events[-1].rev,
        last_inbound_seq=events[-1].seq,
    )
    held_by_awa.refresh_from_db()
    return held_by_awa


def line(conversation, n):
    return conversation.events.get(body=f"ligne {n}")


def lines_in(html):
    html = html.rpartition('id="thread"')[2]  # without the preview in the list
    return [int(n) for n in re.findall(r">ligne (\d+)<", html)]


class TestPart:
    pytestmark = pytest.mark.django_db

    def test_around_an_event_has_what_was_written_before_and_after(self, awa, long_conversation):
        html = get_html(
            awa,
            f"/dashboard/chat/{long_conversation.pk}/panes?around=message-{line(long_conversation, 100).pk}",
        )
        assert lines_in(html) == [*range(70, 130)]
        assert "data-earlier-page" in html
        [after] = re.findall(r"earlier\?after=(\d+)", html)
        [before] = re.findall(r"earlier\?before=(\d+)", html)
        base = f"/dashboard/chat/{long_conversation.pk}/earlier"
        assert lines_in(get_html(awa, f"{base}?after={after}")) == [*range(130, 190)]
        assert lines_in(get_html(awa, f"{base}?before={before}")) == [*range(10, 70)]

    def test_the_last_one_has_nothing_after_it(self, awa, long_conversation):
        html = get_html(
            awa,
            f"/dashboard/chat/{long_conversation.pk}/panes?around=message-{line(long_conversation, EVENTS).pk}",
        )
        assert lines_in(html)[-1] == EVENTS
        assert "data-earlier-page" not in html

    @pytest.mark.parametrize(
        "around", ["message-0", "message-999999999", "nonsense", "message-", "note-7", "x-1"]
    )
    def test_around_nothing_is_the_last_part(self, awa, long_conversation, around):
        html = get_html(awa, f"/dashboard/chat/{long_conversation.pk}/panes?around={around}")
        assert lines_in(html)[-1] == EVENTS

    def test_around_an_event_of_another_conversation_is_the_last_part(
        self, awa, long_conversation, fatou_writes
    ):
        other = fatou_writes("Bonjour", address="whatsapp:+2250700000002", name="Ibrahim")
        event = other.events.first()
        html = get_html(awa, f"/dashboard/chat/{long_conversation.pk}/panes?around=message-{event.pk}")
        assert lines_in(html)[-1] == EVENTS

    def test_around_a_note_has_the_note(self, awa, held_by_awa, clock):
        note = held_by_awa.notes.model.write(held_by_awa, "à rappeler", author=awa, at=clock.now)
        html = get_html(awa, f"/dashboard/chat/{held_by_awa.pk}/panes?around=note-{note.pk}")
        assert "à rappeler" in html

    def test_works_without_scripts(self, awa, long_conversation):
        path = f"/dashboard/chat/{long_conversation.pk}?around=message-{line(long_conversation, 100).pk}"
        html = get_html(awa, path)
        assert lines_in(html) == [*range(70, 130)]
        assert "Messages suivants" in html
        assert "Messages récents" in html


SCROLL_TO = """item => {
  item.scrollIntoView({ block: "center" });
  return Math.round(item.querySelector(".bubble").getBoundingClientRect().top);
}"""
TOP = "item => Math.round(item.querySelector('.bubble').getBoundingClientRect().top)"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock_starts_now")
class TestInTheBrowser:
    def test_a_link_opens_around_its_message_and_scrolling_down_reaches_the_present(
        self, run_story, awa, long_conversation, fatou_writes
    ):
        target = line(long_conversation, EVENTS - 100)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{long_conversation.pk}#message-{target.pk}")
            lit = page.locator(".is-lit")
            expect(lit).to_have_attribute("id", f"message-{target.pk}")
            expect(lit).to_be_in_viewport()
            fatou_writes("pendant la lecture")
            to_the_end = """async () => {
              const thread = document.querySelector("[data-thread]");
              while (thread.querySelector(".later")) {
                thread.querySelector(".later").scrollIntoView();
                await new Promise((done) => setTimeout(done, 50));
              }
            }"""
            page.evaluate(to_the_end)
            expect(page.locator(".later")).to_have_count(0)
            expect_live(page)
            expect(page.locator(".message").last).to_contain_text("pendant la lecture")
            fatou_writes("en direct")
            expect(page.locator(".message").last).to_contain_text("en direct")
            shown = page.locator(".message--client .bubble__text").all_text_contents()
            numbers = [int(text.split()[1]) for text in shown if text.startswith("ligne")]
            assert numbers == [*range(numbers[0], EVENTS + 1)]
            assert shown[-2:] == ["pendant la lecture", "en direct"]

        run_story(story)

    def test_thousands_of_messages_up(self, run_story, awa, long_conversation):
        target = line(long_conversation, 40)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{long_conversation.pk}")
            expect_live(page)
            page.evaluate(f"location.hash = 'message-{target.pk}'")
            expect(page.locator(".is-lit")).to_contain_text("ligne 40")
            expect(page.locator(".is-lit")).to_be_in_viewport()
            page.get_by_role("link", name="Messages récents").click()
            expect(page.locator(".message").last).to_contain_text(f"ligne {EVENTS}")
            expect(page.locator(".is-lit")).to_have_count(0)

        run_story(story)

    def test_loading_further_up_and_down_moves_nothing(self, run_story, awa, long_conversation):
        target = line(long_conversation, 1_500)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{long_conversation.pk}#message-{target.pk}")
            expect(page.locator(".is-lit")).to_be_in_viewport()
            for sentinel, edge in ((".earlier", "first"), (".later", "last")):
                item = getattr(page.locator("#thread > .message"), edge).element_handle()
                count = page.locator(".message").count()
                before = item.evaluate(SCROLL_TO)
                expect(page.locator(".message")).not_to_have_count(count)
                page.evaluate(
                    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
                )
                assert abs(item.evaluate(TOP) - before) <= 2, sentinel

        run_story(story)

    def test_what_is_written_there_is_shown_in_the_present(self, run_story, awa, long_conversation):
        target = line(long_conversation, 40)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{long_conversation.pk}#message-{target.pk}")
            expect(page.locator(".is-lit")).to_be_in_viewport()
            field = page.get_by_role("textbox", name="Votre message à Fatou")
            field.fill("je vous réponds")
            field.press("Enter")
            expect(page.locator(".message--agent:not(.is-unsent)")).to_contain_text(["je vous réponds"])
            expect(page.locator(".message--client").last).to_contain_text(f"ligne {EVENTS}")

        run_story(story)
