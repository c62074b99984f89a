"""The page views, as a browser gets them."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from relais.clients.models import Client as Person
from relais.conversations.events import Author
from relais.conversations.models import Conversation, ConversationEvent
from tests.cast import Clock

pytestmark = pytest.mark.django_db

PAGES = ("/dashboard", "/dashboard/active", "/dashboard/pending", "/dashboard/conversations")


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


def get_html(user, path):
    """The HTML of a page for this user."""
    response = signed_in_client(user).get(path, follow=True)
    assert response.status_code == 200, response.status_code
    return response.text


def signed_in_client(user):
    client = Client()
    client.force_login(user)
    return client


def count_queries(user, path):
    """The number of database queries for a page."""
    client = signed_in_client(user)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


def get_chat(user, conversation):
    return get_html(user, f"/dashboard/chat/{conversation.pk}")


def row_ids(html):
    return [int(pk) for pk in re.findall(r'<li id="row-([0-9]+)"', html)]


def list_html(html, rule):
    return html.split(f'data-list="{rule}"', 1)[1].split("</ol>", 1)[0]


# -- who sees what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", [*PAGES, "/dashboard/chat/1", "/dashboard/chat/1/situation", "/dashboard/chat/1/earlier"]
)
def test_an_anonymous_user_is_redirected_to_the_sign_in_and_back(db, page):
    page = page.replace("/dashboard", "/dashboard/", 1) if page == "/dashboard" else page
    response = Client().get(page)
    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={page}")
    response = Client(headers={"accept": "application/json"}).get(page)
    assert (response.status_code, response.json()["code"]) == (401, "login")


def test_an_anonymous_htmx_request_redirects_the_whole_page(db):
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/dashboard/chat/7"})
    response = client.get("/dashboard/chat/7/situation")
    assert (response.status_code, response["HX-Redirect"]) == (401, "/accounts/login/?next=/dashboard/chat/7")


def test_an_invalid_current_url_of_htmx_leads_to_the_dashboard(db):
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    response = client.get("/dashboard/chat/7/situation")
    assert (response.status_code, response["HX-Redirect"]) == (401, "/accounts/login/?next=/dashboard")


@pytest.mark.parametrize("page", PAGES)
def test_pages_open_with_and_without_a_trailing_slash(awa, page):
    assert get_html(awa, page)
    assert get_html(awa, f"{page}/")


@pytest.mark.parametrize("page", [*PAGES, "/dashboard/active?tab=held"])
def test_an_agent_of_another_team_sees_no_row(waiting, held_by_awa, yao, sales, fatou_writes, page):
    fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    Conversation.objects.update(team=sales)
    assert "Fatou" not in get_html(yao, page)


def test_an_agent_of_another_team_gets_404_for_the_chat(held_by_awa, yao, sales):
    Conversation.objects.update(team=sales)
    client = signed_in_client(yao)
    for part in ("", "/situation", "/earlier"):
        assert client.get(f"/dashboard/chat/{held_by_awa.pk}{part}").status_code == 404


def test_pages_refuse_post_requests(awa):
    client = signed_in_client(awa)
    for page in PAGES[1:]:
        assert client.post(page).status_code == 405


# -- the overview --------------------------------------------------------------------------------------------------


def stats_in(html):
    block = html.split('id="stats"', 1)[1].split("</ul>", 1)[0]
    links = re.findall(r'href="([^"]+)".*?<strong[^>]*>(\d+)</strong>', block, flags=re.S)
    return {path.replace("&amp;", "&"): int(number) for path, number in links}


def test_each_statistic_equals_the_number_of_rows_behind_its_link(awa, koffi, mariam, fatou_writes, clock):
    conversations = [fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(9)]
    for conversation in conversations[:2]:
        conversation.ask_for_agent(by=Author("bot"), at=clock.now)
    for conversation in conversations[2:5]:
        conversation.take_over(awa, at=clock.now)
    conversations[5].take_over(koffi, at=clock.now)
    conversations[5].close(koffi, at=clock.now)
    conversations[6].take_over(koffi, at=clock.now)
    conversations[6].deliveries.get().mark_failed(at=clock.now, code=63024, error="")
    stats = stats_in(get_html(awa, "/dashboard"))
    assert sorted(stats.values()) == [1, 1, 2, 2, 3, 4]
    for path, number in stats.items():
        assert len(row_ids(get_html(awa, path))) == number, path


def test_the_dashboard_lists_who_waits_and_the_agents_own_conversations(waiting, awa, fatou_writes, clock):
    own = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    own.take_over(awa, at=clock.now)
    html = get_html(awa, "/dashboard")
    assert row_ids(list_html(html, "pending")) == [waiting.pk]
    assert row_ids(list_html(html, "mine")) == [own.pk]


def test_the_pending_page_says_when_nobody_waits(awa):
    html = get_html(awa, "/dashboard/pending").replace("&#x27;", "'")
    assert "Personne n'attend." in html
    assert "Les demandes d'agent apparaissent ici." in html


# -- the lists -----------------------------------------------------------------------------------------------------


def test_the_longest_wait_comes_first(awa, fatou_writes, clock):
    waiting = [fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(3)]
    for minutes, conversation in zip((5, 1, 9), waiting, strict=True):
        Conversation.objects.filter(pk=conversation.pk).update(
            status="transferred", transferred_at=clock.now - timezone.timedelta(minutes=minutes)
        )
    html = get_html(awa, "/dashboard/pending")
    assert row_ids(html) == [waiting[2].pk, waiting[0].pk, waiting[1].pk]
    assert html.count('data-time="since"') >= 3


def test_the_tabs_of_the_active_list(with_bot, awa, koffi, fatou_writes, clock):
    own, colleagues, waiting = (
        fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(3)
    )
    own.take_over(awa, at=clock.now)
    colleagues.take_over(koffi, at=clock.now)
    waiting.ask_for_agent(by=Author("bot"), at=clock.now)

    def tab_ids(tab):
        return set(row_ids(get_html(awa, f"/dashboard/active?tab={tab}")))

    everything = {with_bot.pk, own.pk, colleagues.pk, waiting.pk}
    assert tab_ids("") == tab_ids("nonsense") == tab_ids("all") == everything
    assert tab_ids("pending") == {waiting.pk}
    assert tab_ids("active") == {with_bot.pk, own.pk, colleagues.pk}
    assert tab_ids("mine") == {own.pk}
    assert tab_ids("bot") == {with_bot.pk}
    assert tab_ids("held") == {own.pk, colleagues.pk}


def test_filters_by_status_agent_day_and_text(ended, awa, koffi, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Élodie Née")
    other.take_over(koffi, at=clock.now)
    today = timezone.localdate(clock.now).isoformat()

    def filtered_ids(query):
        return set(row_ids(get_html(awa, f"/dashboard/conversations?{query}")))

    assert filtered_ids("") == {ended.pk, other.pk}
    assert filtered_ids("status=completed") == filtered_ids("status=ended") == {ended.pk}
    assert filtered_ids("status=held") == filtered_ids("status=transferred") == {other.pk}
    assert filtered_ids(f"agent={koffi.pk}") == {other.pk}
    assert (
        filtered_ids("q=elodie")
        == filtered_ids("q=0700000099")
        == filtered_ids("q=%2B225+07+00+00+00+99")
        == {other.pk}
    )
    assert filtered_ids(f"from={today}&to={today}") == filtered_ids("from=today") == {ended.pk, other.pk}
    assert filtered_ids("to=2020-01-01") == filtered_ids("from=2999-01-01") == set()
    assert filtered_ids("q=personne&status=ended") == set()


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense", "agent=x", "agent=-1", "agent=99999999999999999999", "from=yesterday", "to=2026-02-31",
        "from=0001-01-01", "to=9999-12-31", "q=%00", "q=%25_%5C'\"", "q=" + "a" * 5000, "after=x", "before=1-",
        "after=99999999999999999999999-1", "after=1-99999999999999999999", "q=%ED%A0%80", "status=%FF", "after=²-²",
    ],
)  # fmt: skip
def test_an_invalid_query_string_never_breaks_the_page(with_bot, awa, query):
    assert get_html(awa, f"/dashboard/conversations?{query}")


def test_the_filters_stay_in_the_form_and_in_the_page_links(awa, fatou_writes):
    for n in range(51):
        fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}")
    html = get_html(awa, "/dashboard/conversations?q=fatou&status=active&agent=")
    assert 'value="fatou"' in html
    assert '<option value="active" selected>' in html
    following = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert "q=fatou" in following
    assert "status=active" in following


def test_pagination_goes_forward_and_back_and_skips_nothing(awa, fatou_writes, clock):
    for n in range(120):
        clock.passes(seconds=-1 if n % 3 else 0)
        fatou_writes("Bonjour", address=f"whatsapp:+22507000{n:05}")
    expected = list(Conversation.objects.order_by("-last_activity_at", "-pk").values_list("pk", flat=True))
    visited, path, previous = [], "/dashboard/conversations", []
    while path:
        html = get_html(awa, path)
        visited += row_ids(html)
        previous.append(re.search(r'rel="prev" href="([^"]+)"', html))
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = following and following[1].replace("&amp;", "&")
    assert visited == expected
    assert previous[0] is None
    back = get_html(awa, previous[2][1].replace("&amp;", "&"))
    assert row_ids(back) == expected[50:100]
    first = get_html(awa, re.search(r'rel="prev" href="([^"]+)"', back)[1].replace("&amp;", "&"))
    assert row_ids(first) == expected[:50]
    assert 'rel="prev"' not in first


@pytest.mark.parametrize("page", PAGES)
def test_a_list_needs_as_few_queries_for_many_rows_as_for_few(awa, fatou_writes, clock, page):
    def create_conversations(count, start):
        for n in range(start, start + count):
            conversation = fatou_writes("Bonjour", address=f"whatsapp:+22507000{n:05}", name=f"Client {n}")
            if n % 3:
                conversation.ask_for_agent(by=Author("bot"), at=clock.now)
            if n % 3 == 2:
                conversation.take_over(awa, at=clock.now)

    create_conversations(3, 0)
    page = f"{page}/"
    few = count_queries(awa, page)
    create_conversations(27, 3)
    assert count_queries(awa, page) == few <= 9


# -- the conversation --------------------------------------------------------------------------------------------------


def test_the_holder_has_a_composer_and_the_end_of_the_window(held_by_awa, awa):
    html = get_chat(awa, held_by_awa)
    assert 'name="message"' in html
    assert "data-mine" in html
    assert "Avec vous" in html
    assert 'data-time="countdown"' in html
    assert re.search(r'name="ref" value="[\w-]{10,64}"', html)


def test_a_colleague_sees_the_history_and_who_holds_it(held_by_awa, koffi):
    html = get_chat(koffi, held_by_awa)
    assert "mercedes" in html
    assert "Awa Diop tient cette conversation. Vous pouvez la suivre." in html
    assert 'name="message"' not in html
    assert "data-mine" not in html
    assert "Clôturer" not in html


def test_a_supervisor_may_transfer_hand_back_and_close(held_by_awa, mariam):
    html = get_chat(mariam, held_by_awa)
    for word in ("Transférer", "Rendre au bot", "Clôturer"):
        assert word in html
    assert 'name="tell_client"' not in html


def test_a_supervisor_who_closes_what_nobody_holds_may_notify_the_client(waiting, mariam):
    assert 'name="tell_client"' in get_chat(mariam, waiting)


@pytest.mark.parametrize("situation", ["with_bot", "waiting"])
def test_what_nobody_holds_can_be_taken_over(request, situation, awa):
    conversation = request.getfixturevalue(situation)
    assert f'action="/dashboard/chat/{conversation.pk}/take-over"' in get_chat(awa, conversation)


def test_an_ended_conversation_links_to_its_successor(ended, awa, fatou_writes):
    assert "Conversation terminée" in get_chat(awa, ended)
    new = fatou_writes("rebonjour")
    assert f'href="/dashboard/chat/{new.pk}"' in get_chat(awa, ended)


def test_the_composer_says_that_the_window_is_closed(held_by_awa, awa, clock):
    Conversation.objects.update(last_inbound_at=clock.passes(days=-2))
    html = get_chat(awa, held_by_awa)
    assert 'name="message"' not in html
    assert "plus de 24 h depuis le dernier message du client" in html


def test_opening_the_chat_marks_as_read_for_the_holder_only(held_by_awa, awa, koffi, fatou_writes):
    fatou_writes("encore")
    get_chat(koffi, held_by_awa)
    assert Conversation.objects.get().is_unread
    get_chat(awa, held_by_awa)
    assert not Conversation.objects.get().is_unread


def test_the_client_card_shows_the_details(held_by_awa, awa):
    Person.objects.update(
        client_full_name="Fatou <Ndiaye>", email="f@example.com", vin="WDD2050071R123456", carte_vip="VIP-1",
        is_client=True, attributes={"ville": "<b>Dakar</b>"},
    )  # fmt: skip
    Conversation.objects.update(menu_path=["entretien", "<i>devis</i>"])
    html = get_chat(awa, held_by_awa)
    for word in (
        "Fatou &lt;Ndiaye&gt;",
        "f@example.com",
        "WDD2050071R123456",
        "VIP-1",
        "&lt;b&gt;Dakar",
        "&lt;i&gt;devis",
    ):
        assert word in html
    assert 'data-copy="+212600000001"' in html
    assert "+212 6 00 00 00 01" in html or "+212 600" in html


def test_other_conversations_are_those_within_reach(ended, awa, yao, sales, fatou_writes):
    new = fatou_writes("rebonjour")
    assert f'href="/dashboard/chat/{ended.pk}"' in get_chat(awa, new)
    Conversation.objects.filter(pk=ended.pk).update(team=sales)
    assert f'href="/dashboard/chat/{ended.pk}"' not in get_chat(yao, new)


def test_each_day_has_a_separator(held_by_awa, awa, fatou_writes, clock):
    clock.passes(days=1)
    fatou_writes("le lendemain")
    html = get_chat(awa, held_by_awa)
    assert html.count('class="day"') == 2


def test_unusual_texts_do_not_break_the_page(held_by_awa, awa, fatou_writes):
    for text in (
        "😀" * 1600,
        "\u202eRTL",
        "مرحبا",
        "<script>alert(1)</script>",
        "a\u0000b".replace("\x00", ""),
        "{{ x }}",
    ):
        fatou_writes(text, name="</title><script>alert(2)</script>")
    html = get_chat(awa, held_by_awa)
    assert "😀" * 1600 in html
    assert "<script>alert" not in html


def test_a_long_timeline_shows_its_last_page(held_by_awa, awa):
    create_messages(held_by_awa, 10_000)
    html = get_chat(awa, held_by_awa)
    assert html.count('<li id="message-') == 60
    assert "Message 10000" in html
    assert len(html) < 250_000
    assert count_queries(awa, f"/dashboard/chat/{held_by_awa.pk}") <= 16


def test_earlier_messages_come_page_by_page(held_by_awa, awa):
    create_messages(held_by_awa, 200)
    html, seen = get_chat(awa, held_by_awa), []
    while True:
        seen = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', html)] + seen
        more = re.search(r'hx-get="([^"]+/earlier\?before=\d+)"', html)
        if not more:
            break
        html = get_html(awa, more[1])
        assert "<html" not in html
    assert seen == list(range(1, 201))


@pytest.mark.parametrize("before", ["", "x", "-1", "99999999999", "²"])
def test_an_invalid_cursor_gives_the_newest_page(held_by_awa, awa, before):
    assert "mercedes" in get_html(awa, f"/dashboard/chat/{held_by_awa.pk}/earlier?before={before}")


def test_the_panels_can_be_fetched_separately(held_by_awa, awa, koffi):
    html = get_html(awa, f"/dashboard/chat/{held_by_awa.pk}/situation")
    assert 'id="chat-header"' in html
    assert 'name="message"' in html
    assert "<html" not in html
    assert 'name="message"' not in get_html(koffi, f"/dashboard/chat/{held_by_awa.pk}/situation")


def test_no_page_violates_the_content_security_policy(held_by_awa, mariam):
    for page in (*PAGES, f"/dashboard/chat/{held_by_awa.pk}"):
        html = get_html(mariam, page)
        assert not re.search(r"<[^>]+\s(on\w+|style|hx-on[^=]*)=", html)
        assert "<style" not in html
        assert not re.search(r"<script(?![^>]+src=)", html)


def create_messages(conversation, last):
    """Messages of the client up to the seq `last`."""
    first = Conversation.objects.get(pk=conversation.pk).seq + 1
    ConversationEvent.objects.bulk_create(
        ConversationEvent(
            conversation=conversation, seq=n, rev=n + 10, event_type="message_received", author_kind="client",
            body=f"Message {n}", created_at=timezone.now(),
        )
        for n in range(first, last + 1)
    )  # fmt: skip
    Conversation.objects.filter(pk=conversation.pk).update(seq=last, rev=last + 10)
