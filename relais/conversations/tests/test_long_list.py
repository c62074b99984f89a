"""Ten thousand open conversations: the list beside a chat is loaded by pages, stays small, and nothing jumps."""

import statistics

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
OPEN_CONVERSATIONS = 10_000
ROWS_READ = 2_000
MAX_ROWS_IN_PAGE = 180
"""`MAX_ASIDE_ROWS` and one page more, while it is loaded."""
MAX_GROWTH_MB = 20
MAX_PAGE_MS, MAX_FRAME_MS = 1_500, 100
"""Generous, for a machine that runs other tests, too. The figures alone: docs/performance.md."""

TIMES_OF_FETCH = """async ([url, times]) => {
  const measured = [];
  for (let n = 0; n < times; n += 1) {
    const start = performance.now();
    await (await fetch(url, { headers: { "X-Requested-With": "fetch" } })).text();
    measured.push(performance.now() - start);
  }
  return measured;
}"""
SCROLL_DOWN = """async (rows) => {
  const pane = document.querySelector(".desk__list");
  const seen = new Set(), times = [];
  let most = 0;
  while (seen.size < rows) {
    const shown = pane.querySelectorAll(".row");
    most = Math.max(most, shown.length);
    shown.forEach((row) => seen.add(row.id));
    const last = shown[shown.length - 1].id, start = performance.now();
    pane.scrollTop = pane.scrollHeight;
    while ([...pane.querySelectorAll(".row")].at(-1).id === last) await new Promise((done) => setTimeout(done, 5));
    times.push(performance.now() - start);
  }
  return { seen: seen.size, most, times };
}"""
# Each frame moves a row of the page to the top, with its layout.
LIVE_FRAMES = """(frames) => {
  const pane = document.querySelector(".desk__list");
  const times = [];
  for (let n = 0; n < frames; n += 1) {
    const rows = pane.querySelectorAll(".row");
    const row = rows[rows.length - 1 - (n % 20)].cloneNode(true);
    row.dataset.rev = Number(row.dataset.rev) + 1;
    row.dataset.unanswered = new Date(Date.now() - 3e9 - n * 1000).toISOString();
    const detail = { kind: "row", conversation: Number(row.dataset.conversation), rev: Number(row.dataset.rev), html: row.outerHTML };
    const start = performance.now();
    document.dispatchEvent(new CustomEvent("relais:row", { detail }));
    pane.offsetHeight;
    times.push(performance.now() - start);
  }
  return times;
}"""


def used_memory(page: Page) -> tuple[float, int]:
    """Megabytes of JavaScript's heap, and nodes of the document."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6, int(metrics["Nodes"])


def show(what: str, times: list[float]) -> float:
    median = statistics.median(times)
    print(f"{what}: median {median:.0f} ms, worst {max(times):.0f} ms")
    return median


def test_it_stays_small_and_quick(run_story, awa, open_conversations):
    first, *_ = open_conversations(OPEN_CONVERSATIONS)

    def story(browsers: Browsers) -> None:
        chat = f"/dashboard/chat/{first.pk}"
        page = browsers.open_page(awa, chat)
        expect_live(page)
        expect(page.locator("[data-tab=mine] .tabs__count")).to_have_text(str(OPEN_CONVERSATIONS))
        first_pages = page.evaluate(TIMES_OF_FETCH, [f"{chat}/aside?tab=mine", 10])
        megabytes_before, nodes_before = used_memory(page)
        scrolled = page.evaluate(SCROLL_DOWN, ROWS_READ)
        megabytes, nodes = used_memory(page)
        frames = page.evaluate(LIVE_FRAMES, 100)

        assert show(f"first page of {OPEN_CONVERSATIONS} open conversations", first_pages) < MAX_PAGE_MS
        assert show("next page, scrolling", scrolled["times"]) < MAX_PAGE_MS
        assert show("a live frame that moves its row", frames) < MAX_FRAME_MS
        print(
            f"memory before and after {scrolled['seen']} rows: {megabytes_before:.1f} and {megabytes:.1f} MB, "
            f"{nodes_before} and {nodes} nodes; at most {scrolled['most']} rows at once"
        )
        assert scrolled["most"] <= MAX_ROWS_IN_PAGE
        assert megabytes - megabytes_before < MAX_GROWTH_MB

    run_story(story)


def test_what_is_read_stays_in_its_place(run_story, awa, open_conversations, clock):
    """Rows leave the list above what is visible, far down in it."""
    conversations = open_conversations(200)
    anchor_top = """() => {
      const pane = document.querySelector(".desk__list");
      const top = pane.getBoundingClientRect().top;
      const row = [...pane.querySelectorAll(".row")].find((each) => each.getBoundingClientRect().top > top + 100);
      window.anchorRow ??= row.id;
      return Math.round(document.getElementById(anchorRow).getBoundingClientRect().top);
    }"""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{conversations[0].pk}")
        expect_live(page)
        page.evaluate(SCROLL_DOWN, 100)
        page.evaluate("document.querySelector('.desk__list').scrollTop = 2600")
        expect(page.locator(f"#row-{conversations[20].pk}")).to_have_count(1)
        before = page.evaluate(anchor_top)
        for conversation in conversations[3:6]:
            conversation.refresh_from_db()
            conversation.close(awa, at=clock.now)
            expect(page.locator(f"#row-{conversation.pk}")).to_have_count(0)
            assert abs(page.evaluate(anchor_top) - before) <= 1

    run_story(story)
