"""The list of conversations filtered by the reason of their closing."""

import re

import pytest

from relais.company import company_settings
from relais.conversations import list_filters, saved_views
from relais.conversations.models import Conversation
from relais.conversations.tests.test_pages import get_html

pytestmark = pytest.mark.django_db


@pytest.fixture
def closed(awa, fatou_writes, clock):
    """One conversation for each reason; the last has none."""

    def close(number, reason):
        conversation = fatou_writes("bonjour", address=f"whatsapp:+22507000001{number}")
        conversation.take_over(awa, at=clock.now)
        conversation.close(awa, at=clock.passes(minutes=1), reason=reason)
        return conversation

    return [close(10 + n, reason) for n, reason in enumerate(["Résolu", "Autre", "Résolu", ""])]


def rows(user, query):
    return re.findall(r'id="row-(\d+)"', get_html(user, f"/dashboard/conversations?{query}"))


def test_lists_those_closed_for_the_reason(awa, closed, held_by_awa):
    assert rows(awa, "reason=R%C3%A9solu") == [str(closed[2].pk), str(closed[0].pk)]
    assert rows(awa, "reason=Autre&status=ended") == [str(closed[1].pk)]
    assert rows(awa, "reason=inconnu") == []
    assert rows(awa, "reason=Autre&status=open") == []


def test_many_are_found_in_the_order_of_the_list(awa, closed, monkeypatch):
    monkeypatch.setattr(list_filters, "MAX_CONVERSATIONS_BY_ID", 1)
    assert rows(awa, "reason=R%C3%A9solu") == [str(closed[2].pk), str(closed[0].pk)]


def test_out_of_reach_is_not_listed(yao, closed, sales):
    type(closed[0]).objects.update(team=sales)
    assert rows(yao, "reason=R%C3%A9solu") == []


def test_a_closing_that_was_undone_does_not_count(awa, closed, clock):
    Conversation.objects.filter(pk=closed[1].pk).update(status="transferred", ended_at=None)
    assert rows(awa, "reason=Autre") == []


def test_offers_the_list_of_the_company_and_what_is_filtered_by(awa):
    company_settings.set_value(company_settings.CLOSE_REASONS, ["Résolu", "Doublon"])
    html = get_html(awa, "/dashboard/conversations?reason=Ancien")
    select = html.split('<select name="reason">')[1].split("</select>")[0]
    assert re.findall(r"<option( selected)?>([^<]+)", select) == [
        ("", "Résolu"),
        ("", "Doublon"),
        (" selected", "Ancien"),
    ]


def test_is_kept_in_a_saved_view(awa, closed):
    view = saved_views.save_view(
        awa, name="Doublons", query="reason=Autre&after=1-2", is_shared=False, at=closed[0].started_at
    )
    assert rows(awa, view.query) == [str(closed[1].pk)]
