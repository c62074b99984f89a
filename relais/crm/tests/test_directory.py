"""The list of clients: who sees whom, finding by name, e-mail, number or VIN, pages by key; and the card of one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation
from relais.crm import directory
from tests.cast import FATOU, IBRAHIM

pytestmark = pytest.mark.django_db
USER_ID = "whatsapp:MA.9xYabc"


@pytest.fixture
def fatou(with_bot):
    return with_bot.client


@pytest.fixture
def imported():
    """A client without a conversation."""
    client = Client.objects.create(
        client_full_name="Hélène Diop", email="helene@Example.com", vin="WDB2030461A123456"
    )
    ClientAddress.objects.create(
        client=client, address="whatsapp:+221771234567", phone_number="+221771234567"
    )
    return client


def ids(answer):
    status, body = answer
    assert status == 200
    return [row["id"] for row in body["results"]]


# -- the list ---------------------------------------------------------------------------------------


def test_the_newest_client_comes_first(awa, fatou, imported, desk):
    status, body = desk(awa).json("clients")
    assert status == 200
    assert [row["name"] for row in body["results"]] == ["Hélène Diop", "Fatou"]
    assert body["results"][1]["phone_number"] == FATOU.removeprefix("whatsapp:")
    assert body["next"] is None


@pytest.mark.parametrize(
    "text",
    ["helene", "DIOP hél", "ne@example", "77 123", "+221 77 123 45 67", "٧٧١٢٣", "0461a1", "WDB 203"],
)
def test_a_client_is_found_by_a_part_of_what_is_known(awa, fatou, imported, desk, text):
    assert ids(desk(awa).json("clients", q=text)) == [imported.pk]


@pytest.mark.parametrize("text", ["helene fatou", "zz", "99999", "%", "_"])
def test_what_fits_nobody_finds_nobody(awa, fatou, imported, desk, text):
    assert ids(desk(awa).json("clients", q=text)) == []


def test_a_search_with_many_results_finds_the_same(awa, fatou, imported, desk, monkeypatch):
    expected = {
        text: ids(desk(awa).json("clients", q=text)) for text in ("o", "12", "example", "wdb2", "fatou")
    }
    monkeypatch.setattr("relais.clients.search.MAX_CLIENTS_BY_ID", 0)
    assert {text: ids(desk(awa).json("clients", q=text)) for text in expected} == expected


def test_pages_follow_each_other_without_gap_or_repetition(awa, desk, monkeypatch):
    monkeypatch.setattr(directory.page_of_clients, "__kwdefaults__", {"text": "", "after": "", "size": 3})
    everyone = [Client.objects.create(client_full_name=f"Client {n}").pk for n in range(8)]
    seen, after = [], ""
    while after is not None:
        status, body = desk(awa).json("clients", after=after)
        seen += [row["id"] for row in body["results"]]
        after = body["next"]
    assert seen == everyone[::-1]
    page = desk(awa).page("clients", q="client").content.decode()
    assert 'rel="next"' in page and "q=client&amp;after=" in page


def test_an_invalid_cursor_gives_the_first_page(awa, fatou, desk):
    assert ids(desk(awa).json("clients", after="x'y")) == [fatou.pk]


def test_the_list_costs_the_same_for_one_client_and_for_fifty(awa, desk, fatou):
    browser = desk(awa)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.page("clients")
        return len(captured)

    few = queries()
    for n in range(50):
        client = Client.objects.create(client_full_name=f"Client {n}")
        ClientAddress.objects.create(client=client, address=f"whatsapp:+2217700000{n:02}")
    assert queries() == few


# -- reach --------------------------------------------------------------------------------------------


def test_an_agent_sees_clients_of_his_reach_and_those_without_a_conversation(
    awa, yao, mariam, sales, fatou, imported, fatou_writes, desk
):
    others = fatou_writes("Bonjour", address=IBRAHIM, name="Ibrahim")
    Conversation.objects.filter(pk=others.pk).update(team=sales)
    for agent in (awa, yao):
        assert set(ids(desk(agent).json("clients"))) == {fatou.pk, imported.pk}
        assert ids(desk(agent).json("clients", q="ibrahim")) == []
        assert desk(agent).json(f"clients/{others.client_id}") == (
            404,
            {
                "success": False,
                "error": "Ce client n'existe pas, ou n'est pas à votre portée.",
                "code": "not_found",
            },
        )
        assert desk(agent).page(f"clients/{others.client_id}").status_code == 404
    assert others.client_id in ids(desk(mariam).json("clients"))
    awa.team = sales
    awa.save()
    assert others.client_id in ids(desk(awa).json("clients"))


def test_nobody_signed_in_sees_nothing(fatou, desk):
    assert desk().json("clients")[0] == 401
    assert desk().json(f"clients/{fatou.pk}")[0] == 401
    assert desk().page("clients").status_code == 302


# -- the card -----------------------------------------------------------------------------------------


def test_the_card_has_all_addresses_and_conversations(held_by_awa, awa, fatou_writes, clock, desk):
    held_by_awa.close(awa, at=clock.passes(minutes=1))
    current = fatou_writes("me voici", address=USER_ID, other_address=FATOU)
    status, card = desk(awa).json(f"clients/{current.client_id}")
    assert status == 200
    assert card["id"] == current.client_id
    assert {each["address"] for each in card["addresses"]} == {FATOU, USER_ID}
    assert [each["id"] for each in card["conversations"]] == [current.pk, held_by_awa.pk]
    assert card["conversations"][1]["status"] == "completed"


def test_the_timeline_goes_over_all_conversations(held_by_awa, awa, fatou_writes, clock, desk):
    held_by_awa.close(awa, at=clock.passes(minutes=1))
    clock.passes(days=1)
    current = fatou_writes("de retour", address=USER_ID, other_address=FATOU)
    page = desk(awa).page(f"clients/{current.client_id}").content.decode()
    assert page.index("mercedes") < page.index("de retour")
    for conversation in (held_by_awa, current):
        assert f"Conversation n°\xa0{conversation.pk}" in page or f"Conversation n° {conversation.pk}" in page


def test_the_timeline_has_only_conversations_within_reach(
    held_by_awa, awa, mariam, sales, fatou_writes, clock, desk
):
    held_by_awa.close(awa, at=clock.passes(minutes=1))
    current = fatou_writes("confidentiel")
    Conversation.objects.filter(pk=current.pk).update(team=sales)
    path = f"clients/{current.client_id}"
    assert "confidentiel" not in desk(awa).page(path).content.decode()
    assert [each["id"] for each in desk(awa).json(path)[1]["conversations"]] == [held_by_awa.pk]
    assert "confidentiel" in desk(mariam).page(path).content.decode()
    assert "confidentiel" not in desk(awa).page(f"{path}/timeline").content.decode()


def test_earlier_pages_of_the_timeline_have_every_message_once(awa, fatou_writes, desk, monkeypatch):
    monkeypatch.setattr("relais.crm.client_timeline.PAGE_SIZE", 5)
    texts = [f"message-{n:02}" for n in range(12)]
    for text in texts:
        conversation = fatou_writes(text)
    path = f"clients/{conversation.client_id}"
    found, html = [], desk(awa).page(path).content.decode()
    while True:
        found = [text for text in texts if f">{text}<" in html] + found
        if "?before=" not in html:
            break
        before = html.split("timeline?before=")[1].split('"')[0]
        html = desk(awa).page(f"{path}/timeline", before=before).content.decode()
    assert found == texts


def test_the_timeline_costs_the_same_for_few_events_and_for_many(awa, fatou_writes, desk):
    path = f"clients/{fatou_writes('un').client_id}"
    browser = desk(awa)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            browser.page(path)
        return len(captured)

    few = queries()
    for n in range(20):
        fatou_writes(str(n))
    assert queries() == few
