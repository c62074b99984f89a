"""Lists ordered by the end of the 24-hour window: « Se ferment bientôt »."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from relais.conversations.keyset_pagination import paginate
from relais.conversations.list_order import by_window
from relais.conversations.models import Conversation
from relais.conversations.saved_views import save_view
from relais.conversations.tests.test_pages import get_html, row_ids, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def wrote(fatou_writes, awa, clock):
    """A conversation of Awa whose client wrote so many hours ago, and whose last activity was as many minutes ago."""
    numbers = iter(range(1_000))

    def write(hours, active=0):
        n = next(numbers)
        conversation = fatou_writes("Bonjour", address=f"whatsapp:+22507000{n:05}", name=f"Client {n}")
        conversation.take_over(awa, at=clock.now)
        conversation.last_inbound_at = hours and clock.now - timedelta(hours=hours)
        conversation.last_activity_at = clock.now - timedelta(minutes=active)
        Conversation.objects.filter(pk=conversation.pk).update(
            last_inbound_at=conversation.last_inbound_at, last_activity_at=conversation.last_activity_at
        )
        return conversation.pk

    return write


def choose(user, order, **fields):
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client.post("/dashboard/list-order", {"order": order, **fields})


def test_first_whose_window_closes_first_then_the_closed_ones_by_activity(awa, wrote):
    long_closed, fresh, soon, never, just_closed = (
        wrote(hours=40, active=3), wrote(hours=1), wrote(hours=23), wrote(hours=None, active=2), wrote(hours=24.5, active=1)
    )  # fmt: skip
    assert choose(awa, "window").json() == {"success": True, "order": "window"}
    expected = [soon, fresh, just_closed, never, long_closed]
    for path in ("/dashboard/active?tab=mine", f"/dashboard/chat/{fresh}/aside?tab=mine"):
        html = get_html(awa, path)
        assert row_ids(html) == expected
        assert 'data-order="window"' in html
    html = get_html(awa, f"/dashboard/chat/{fresh}/aside?tab=all")
    assert 'data-order="activity"' in html  # each tab has its own


@pytest.mark.parametrize("tab", ["mine", "pending", "bot", "all", "held"])
def test_each_tab_may_have_it(awa, koffi, tab):
    assert choose(awa, "window", tab=tab).json()["success"]
    awa.refresh_from_db()
    assert awa.list_orders == {tab: "window"}
    assert 'data-order="window"' in get_html(awa, f"/dashboard/active?tab={tab}")
    assert 'data-order="window"' not in get_html(koffi, f"/dashboard/active?tab={tab}")


def test_the_page_of_waiting_conversations_too(awa):
    choose(awa, "window", tab="pending")
    assert 'data-order="window"' in get_html(awa, "/dashboard/pending")
    choose(awa, "wait", tab="pending")
    assert 'data-order="wait"' in get_html(awa, "/dashboard/pending")


@pytest.mark.parametrize(
    "fields", [{"order": "wait"}, {"order": "need", "tab": "all"}, {"order": "window", "tab": "nonsense"}]
)
def test_an_order_that_the_tab_does_not_have_is_refused(awa, fields):
    response = choose(awa, **fields)
    assert (response.status_code, response.json()["code"]) == (422, "order")
    awa.refresh_from_db()
    assert awa.list_orders == {}


def test_without_scripts_a_form_sets_it(awa, wrote):
    wrote(hours=1)
    client = signed_in_client(awa)
    html = client.get("/dashboard/active?tab=all").text
    form = re.search(r'<form class="list__orders".*?</form>', html, re.S)[0]
    assert 'name="tab" value="all"' in form
    assert re.findall(r'name="order" value="(\w+)"', form) == ["time", "window"]
    response = client.post("/dashboard/list-order", {"tab": "all", "order": "window"})
    assert (response.status_code, response["Location"]) == (302, "/dashboard/active?tab=all")


def test_pages_skip_and_repeat_nothing(awa, wrote, clock):
    pks = [wrote(hours=None if n % 7 == 0 else n % 30 + 1, active=n % 5) for n in range(75)]
    order = by_window(at=clock.now)
    base = awa.reachable_conversations().open()
    [everything] = [paginate(base, order, size=100).rows]
    assert sorted(row.pk for row in everything) == sorted(pks)
    visited, cursor, pages = [], "", []
    while True:
        page = paginate(base, order, size=20, after=cursor)
        visited += page.rows
        pages.append(page)
        if not (cursor := page.next):
            break
    assert visited == everything
    assert paginate(base, order, size=20, before=pages[2].previous).rows == everything[20:40]
    assert paginate(base, order, size=20, at=pages[0].next).rows[1:] == everything[20:39]


class TestFullList:
    def test_is_ordered_by_a_filter_that_leaves_out_ended_ones(self, awa, wrote, clock):
        fresh, soon, ended = wrote(hours=1), wrote(hours=23), wrote(hours=22)
        Conversation.objects.get(pk=ended).close(awa, at=clock.now)
        html = get_html(awa, "/dashboard/conversations?order=window")
        assert row_ids(html) == [soon, fresh]
        assert 'data-list="all"' in html
        assert 'data-order="window"' in html
        assert row_ids(get_html(awa, "/dashboard/conversations?order=window&status=ended")) == []
        assert len(row_ids(get_html(awa, "/dashboard/conversations"))) == 3

    def test_in_a_saved_view(self, awa, wrote):
        fresh, soon = wrote(hours=1), wrote(hours=23)
        view = save_view(
            awa, name="Bientôt", query="order=window&status=held", is_shared=True, at=timezone.now()
        )
        html = get_html(awa, f"/dashboard/conversations?{view.query}")
        assert row_ids(html) == [soon, fresh]
        assert "aria-current" in html.split('id="saved-views"')[1].split("</nav>")[0]

    def test_an_unknown_order_is_reported(self, awa, wrote):
        wrote(hours=1)
        html = get_html(awa, "/dashboard/conversations?order=alphabet")
        assert "Un filtre n'a pas été compris" in html
        assert 'data-order="activity"' in html


class TestRows:
    def test_say_when_the_window_closes(self, awa, wrote):
        quiet, soon, closed = wrote(hours=3), wrote(hours=22.9), wrote(hours=25)
        rows = {
            int(pk): html
            for pk, html in re.findall(
                r'(?s)<li id="row-(\d+)"(.*?)</li>', get_html(awa, "/dashboard/active?tab=all")
            )
        }
        assert 'class="chip row__window"' in rows[quiet]
        assert re.search(r'data-time="countdown">20 h<', rows[quiet])
        assert 'class="chip row__window chip--attention"' in rows[soon]
        assert re.search(r'data-time="countdown">1 h 0\d<', rows[soon])
        assert re.search(r'data-window="[^"]+"\s+hidden', rows[closed])
        assert "data-window-closed>" in rows[closed]
