"""The pages agents live in, as a browser gets them."""

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


def sees(user, path):
    """The page's text as this person's browser gets it."""
    answer = browser_of(user).get(path, follow=True)
    assert answer.status_code == 200, answer.status_code
    return answer.text


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def questions_of(user, path):
    """How many times the database is asked for a page."""
    client = browser_of(user)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


def opens(user, conversation):
    return sees(user, f"/dashboard/chat/{conversation.pk}")


def rows_in(html):
    return [int(pk) for pk in re.findall(r'<li id="row-([0-9]+)"', html)]


def region(html, rule):
    return html.split(f'data-list="{rule}"', 1)[1].split("</ol>", 1)[0]


# -- who sees what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", [*PAGES, "/dashboard/chat/1", "/dashboard/chat/1/situation", "/dashboard/chat/1/earlier"]
)
def test_a_stranger_is_led_to_the_sign_in_and_back(db, page):
    page = page.replace("/dashboard", "/dashboard/", 1) if page == "/dashboard" else page
    answer = Client().get(page)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={page}")
    answer = Client(headers={"accept": "application/json"}).get(page)
    assert (answer.status_code, answer.json()["code"]) == (401, "login")


def test_htmx_of_a_stranger_leads_the_whole_page_to_the_sign_in(db):
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/dashboard/chat/7"})
    answer = client.get("/dashboard/chat/7/situation")
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/accounts/login/?next=/dashboard/chat/7")


def test_an_address_of_htmx_that_is_none_leads_back_to_the_overview(db):
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": "http://["})
    answer = client.get("/dashboard/chat/7/situation")
    assert (answer.status_code, answer["HX-Redirect"]) == (401, "/accounts/login/?next=/dashboard")


@pytest.mark.parametrize("page", PAGES)
def test_pages_open_with_and_without_a_slash(awa, page):
    assert sees(awa, page)
    assert sees(awa, f"{page}/")


@pytest.mark.parametrize("page", [*PAGES, "/dashboard/active?tab=held"])
def test_the_outsider_sees_no_row(waiting, held_by_awa, yao, sales, fatou_writes, page):
    fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    Conversation.objects.update(team=sales)
    assert "Fatou" not in sees(yao, page)


def test_the_outsider_finds_no_chat(held_by_awa, yao, sales):
    Conversation.objects.update(team=sales)
    client = browser_of(yao)
    for part in ("", "/situation", "/earlier"):
        assert client.get(f"/dashboard/chat/{held_by_awa.pk}{part}").status_code == 404


def test_pages_are_only_read(awa):
    client = browser_of(awa)
    for page in PAGES[1:]:
        assert client.post(page).status_code == 405


# -- the overview --------------------------------------------------------------------------------------------------


def figures_in(html):
    block = html.split('id="stats"', 1)[1].split("</ul>", 1)[0]
    found = re.findall(r'href="([^"]+)".*?<strong[^>]*>(\d+)</strong>', block, flags=re.S)
    return {path.replace("&amp;", "&"): int(number) for path, number in found}


def test_each_figure_is_the_number_of_rows_behind_its_link(awa, koffi, mariam, fatou_writes, clock):
    conversations = [fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(9)]
    for conversation in conversations[:2]:
        conversation.ask_for_agent(by=Author("bot"), at=clock.now)
    for conversation in conversations[2:5]:
        conversation.take_over(awa, at=clock.now)
    conversations[5].take_over(koffi, at=clock.now)
    conversations[5].close(koffi, at=clock.now)
    conversations[6].take_over(koffi, at=clock.now)
    conversations[6].deliveries.get().mark_failed(at=clock.now, code=63024, error="")
    figures = figures_in(sees(awa, "/dashboard"))
    assert sorted(figures.values()) == [1, 1, 2, 2, 3, 4]
    for path, number in figures.items():
        assert len(rows_in(sees(awa, path))) == number, path


def test_the_overview_lists_who_waits_and_what_is_mine(waiting, awa, fatou_writes, clock):
    mine = fatou_writes("Bonjour", address="whatsapp:+2250700000099")
    mine.take_over(awa, at=clock.now)
    html = sees(awa, "/dashboard")
    assert rows_in(region(html, "pending")) == [waiting.pk]
    assert rows_in(region(html, "mine")) == [mine.pk]


def test_when_nobody_waits_the_page_says_so(awa):
    html = sees(awa, "/dashboard/pending").replace("&#x27;", "'")
    assert "Personne n'attend." in html
    assert "Les demandes d'agent apparaissent ici." in html


# -- the lists -----------------------------------------------------------------------------------------------------


def test_who_waits_longest_comes_first(awa, fatou_writes, clock):
    waiting = [fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(3)]
    for minutes, conversation in zip((5, 1, 9), waiting, strict=True):
        Conversation.objects.filter(pk=conversation.pk).update(
            status="transferred", transferred_at=clock.now - timezone.timedelta(minutes=minutes)
        )
    html = sees(awa, "/dashboard/pending")
    assert rows_in(html) == [waiting[2].pk, waiting[0].pk, waiting[1].pk]
    assert html.count('data-time="since"') >= 3


def test_the_tabs_of_the_active_list(with_bot, awa, koffi, fatou_writes, clock):
    mine, his, waiting = (fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}") for n in range(3))
    mine.take_over(awa, at=clock.now)
    his.take_over(koffi, at=clock.now)
    waiting.ask_for_agent(by=Author("bot"), at=clock.now)

    def shown(tab):
        return set(rows_in(sees(awa, f"/dashboard/active?tab={tab}")))

    assert shown("") == shown("nonsense") == {with_bot.pk, mine.pk, his.pk}
    assert shown("mine") == {mine.pk}
    assert shown("bot") == {with_bot.pk}
    assert shown("held") == {mine.pk, his.pk}


def test_filters_find_by_status_agent_day_and_text(ended, awa, koffi, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Élodie Née")
    other.take_over(koffi, at=clock.now)
    today = timezone.localdate(clock.now).isoformat()

    def found(query):
        return set(rows_in(sees(awa, f"/dashboard/conversations?{query}")))

    assert found("") == {ended.pk, other.pk}
    assert found("status=completed") == found("status=ended") == {ended.pk}
    assert found("status=held") == found("status=transferred") == {other.pk}
    assert found(f"agent={koffi.pk}") == {other.pk}
    assert found("q=elodie") == found("q=0700000099") == found("q=%2B225+07+00+00+00+99") == {other.pk}
    assert found(f"from={today}&to={today}") == found("from=today") == {ended.pk, other.pk}
    assert found("to=2020-01-01") == found("from=2999-01-01") == set()
    assert found("q=personne&status=ended") == set()


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense", "agent=x", "agent=-1", "agent=99999999999999999999", "from=yesterday", "to=2026-02-31",
        "from=0001-01-01", "to=9999-12-31", "q=%00", "q=%25_%5C'\"", "q=" + "a" * 5000, "after=x", "before=1-",
        "after=99999999999999999999999-1", "after=1-99999999999999999999", "q=%ED%A0%80", "status=%FF", "after=²-²",
    ],
)  # fmt: skip
def test_nonsense_in_the_address_never_breaks_the_page(with_bot, awa, query):
    assert sees(awa, f"/dashboard/conversations?{query}")


def test_the_filters_stay_in_the_form_and_in_the_pages_addresses(awa, fatou_writes):
    for n in range(51):
        fatou_writes("Bonjour", address=f"whatsapp:+22507000001{n:02}")
    html = sees(awa, "/dashboard/conversations?q=fatou&status=active&agent=")
    assert 'value="fatou"' in html
    assert '<option value="active" selected>' in html
    following = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert "q=fatou" in following
    assert "status=active" in following


def test_pages_lead_forward_and_back_and_miss_nothing(awa, fatou_writes, clock):
    for n in range(120):
        clock.passes(seconds=-1 if n % 3 else 0)
        fatou_writes("Bonjour", address=f"whatsapp:+22507000{n:05}")
    expected = list(Conversation.objects.order_by("-last_activity_at", "-pk").values_list("pk", flat=True))
    walked, path, previous = [], "/dashboard/conversations", []
    while path:
        html = sees(awa, path)
        walked += rows_in(html)
        previous.append(re.search(r'rel="prev" href="([^"]+)"', html))
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = following and following[1].replace("&amp;", "&")
    assert walked == expected
    assert previous[0] is None
    back = sees(awa, previous[2][1].replace("&amp;", "&"))
    assert rows_in(back) == expected[50:100]
    first = sees(awa, re.search(r'rel="prev" href="([^"]+)"', back)[1].replace("&amp;", "&"))
    assert rows_in(first) == expected[:50]
    assert 'rel="prev"' not in first


@pytest.mark.parametrize("page", PAGES)
def test_a_list_asks_as_few_questions_for_many_rows_as_for_few(awa, fatou_writes, clock, page):
    def more(count, start):
        for n in range(start, start + count):
            conversation = fatou_writes("Bonjour", address=f"whatsapp:+22507000{n:05}", name=f"Client {n}")
            if n % 3:
                conversation.ask_for_agent(by=Author("bot"), at=clock.now)
            if n % 3 == 2:
                conversation.take_over(awa, at=clock.now)

    more(3, 0)
    page = f"{page}/"
    few = questions_of(awa, page)
    more(27, 3)
    assert questions_of(awa, page) == few <= 8


# -- the conversation --------------------------------------------------------------------------------------------------


def test_the_holder_has_a_composer_and_the_window_beside_it(held_by_awa, awa):
    html = opens(awa, held_by_awa)
    assert 'name="message"' in html
    assert "data-mine" in html
    assert "Avec vous" in html
    assert 'data-time="until"' in html
    assert re.search(r'name="ref" value="[\w-]{10,64}"', html)


def test_a_colleague_sees_the_history_and_who_holds_it(held_by_awa, koffi):
    html = opens(koffi, held_by_awa)
    assert "mercedes" in html
    assert "Awa Diop tient cette conversation. Vous pouvez la suivre." in html
    assert 'name="message"' not in html
    assert "data-mine" not in html
    assert "Clôturer" not in html


def test_a_supervisor_may_reassign_hand_back_and_close(held_by_awa, mariam):
    html = opens(mariam, held_by_awa)
    for word in ("Réattribuer", "Rendre au bot", "Clôturer"):
        assert word in html
    assert 'name="tell_client"' not in html


def test_a_supervisor_who_closes_what_nobody_held_may_tell_the_client(waiting, mariam):
    assert 'name="tell_client"' in opens(mariam, waiting)


@pytest.mark.parametrize("situation", ["with_bot", "waiting"])
def test_what_nobody_holds_can_be_taken_over(request, situation, awa):
    conversation = request.getfixturevalue(situation)
    assert f'action="/dashboard/chat/{conversation.pk}/take-over"' in opens(awa, conversation)


def test_the_end_is_told_with_its_duration_and_where_it_goes_on(ended, awa, fatou_writes):
    assert "Conversation terminée" in opens(awa, ended)
    new = fatou_writes("rebonjour")
    assert f'href="/dashboard/chat/{new.pk}"' in opens(awa, ended)


def test_when_the_window_is_closed_the_holder_is_told_why_he_cannot_write(held_by_awa, awa, clock):
    Conversation.objects.update(last_inbound_at=clock.passes(days=-2))
    html = opens(awa, held_by_awa)
    assert 'name="message"' not in html
    assert "plus de 24 h depuis le dernier message du client" in html


def test_opening_marks_as_read_for_the_holder_alone(held_by_awa, awa, koffi, fatou_writes):
    fatou_writes("encore")
    opens(koffi, held_by_awa)
    assert Conversation.objects.get().is_unread
    opens(awa, held_by_awa)
    assert not Conversation.objects.get().is_unread


def test_what_is_known_of_the_client_stands_beside(held_by_awa, awa):
    Person.objects.update(
        client_full_name="Fatou <Ndiaye>", email="f@example.com", vin="WDD2050071R123456", carte_vip="VIP-1",
        is_client=True, attributes={"ville": "<b>Dakar</b>"},
    )  # fmt: skip
    Conversation.objects.update(menu_path=["entretien", "<i>devis</i>"])
    html = opens(awa, held_by_awa)
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


def test_earlier_conversations_are_those_within_reach(ended, awa, yao, sales, fatou_writes):
    new = fatou_writes("rebonjour")
    assert f'href="/dashboard/chat/{ended.pk}"' in opens(awa, new)
    Conversation.objects.filter(pk=ended.pk).update(team=sales)
    assert f'href="/dashboard/chat/{ended.pk}"' not in opens(yao, new)


def test_days_are_told_apart(held_by_awa, awa, fatou_writes, clock):
    clock.passes(days=1)
    fatou_writes("le lendemain")
    html = opens(awa, held_by_awa)
    assert html.count('class="day"') == 2


def test_a_message_of_every_kind_breaks_nothing(held_by_awa, awa, fatou_writes):
    for text in (
        "😀" * 1600,
        "\u202eRTL",
        "مرحبا",
        "<script>alert(1)</script>",
        "a\u0000b".replace("\x00", ""),
        "{{ x }}",
    ):
        fatou_writes(text, name="</title><script>alert(2)</script>")
    html = opens(awa, held_by_awa)
    assert "😀" * 1600 in html
    assert "<script>alert" not in html


def test_a_long_history_is_shown_from_its_end(held_by_awa, awa):
    it_was_talked_much(held_by_awa, 10_000)
    html = opens(awa, held_by_awa)
    assert html.count('<li id="message-') == 60
    assert "Message 10000" in html
    assert len(html) < 250_000
    assert questions_of(awa, f"/dashboard/chat/{held_by_awa.pk}") <= 14


def test_earlier_messages_come_stretch_by_stretch(held_by_awa, awa):
    it_was_talked_much(held_by_awa, 200)
    html, seen = opens(awa, held_by_awa), []
    while True:
        seen = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', html)] + seen
        more = re.search(r'hx-get="([^"]+/earlier\?before=\d+)"', html)
        if not more:
            break
        html = sees(awa, more[1])
        assert "<html" not in html
    assert seen == list(range(1, 201))


@pytest.mark.parametrize("before", ["", "x", "-1", "99999999999", "²"])
def test_a_stretch_before_nonsense_is_the_newest(held_by_awa, awa, before):
    assert "mercedes" in sees(awa, f"/dashboard/chat/{held_by_awa.pk}/earlier?before={before}")


def test_the_situation_is_asked_again_by_itself(held_by_awa, awa, koffi):
    html = sees(awa, f"/dashboard/chat/{held_by_awa.pk}/situation")
    assert 'id="chat-header"' in html
    assert 'name="message"' in html
    assert "<html" not in html
    assert 'name="message"' not in sees(koffi, f"/dashboard/chat/{held_by_awa.pk}/situation")


def test_no_page_needs_what_the_content_policy_forbids(held_by_awa, mariam):
    for page in (*PAGES, f"/dashboard/chat/{held_by_awa.pk}"):
        html = sees(mariam, page)
        assert not re.search(r"<[^>]+\s(on\w+|style|hx-on[^=]*)=", html)
        assert "<style" not in html
        assert not re.search(r"<script(?![^>]+src=)", html)


def it_was_talked_much(conversation, last):
    """As if it had gone on to the seq `last`."""
    first = Conversation.objects.get(pk=conversation.pk).seq + 1
    ConversationEvent.objects.bulk_create(
        ConversationEvent(
            conversation=conversation, seq=n, rev=n + 10, event_type="message_received", author_kind="client",
            body=f"Message {n}", created_at=timezone.now(),
        )
        for n in range(first, last + 1)
    )  # fmt: skip
    Conversation.objects.filter(pk=conversation.pk).update(seq=last, rev=last + 10)
