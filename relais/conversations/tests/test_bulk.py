"""One action on several conversations: what is done, what is refused and why, and the page without scripts."""

import pytest
from django.utils import timezone

from relais.company import company_settings
from relais.conversations.models import Conversation
from tests.cast import Clock

pytestmark = pytest.mark.django_db
BULK = "/dashboard/conversations/bulk"


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


@pytest.fixture
def conversations(fatou_writes):
    return [fatou_writes("bonjour", address=f"whatsapp:+22507000000{n}") for n in range(10, 14)]


@pytest.fixture
def post_bulk(client):
    def post(user, conversations, **fields):
        client.force_login(user)
        ids = [getattr(each, "pk", each) for each in conversations]
        return client.post(BULK, {"ids": ids, **fields}, headers={"accept": "application/json"})

    return post


def codes(response):
    return {each["id"]: each["code"] for each in response.json()["refused"]}


def test_taking_over_several_lists_what_was_refused(post_bulk, conversations, awa, koffi, clock):
    free, held, ended, other = conversations
    held.take_over(koffi, at=clock.now)
    ended.take_over(awa, at=clock.now)
    ended.close(awa, at=clock.now)
    response = post_bulk(awa, [other, held, ended, free, 999_999, "abc"], action="take-over")
    body = response.json()
    assert (response.status_code, body["success"], body["done"]) == (200, True, [free.pk, other.pk])
    assert codes(response) == {held.pk: "held", ended.pk: "ended", 999_999: "not_found", "abc": "not_found"}
    assert all(set(each) == {"id", "code", "error"} and each["error"] for each in body["refused"])
    assert set(Conversation.objects.held_by(awa)) == {free, other}


def test_out_of_reach_is_like_unknown(post_bulk, conversations, yao, sales):
    hidden = conversations[0]
    Conversation.objects.filter(pk=hidden.pk).update(team=sales)
    refused = post_bulk(yao, [hidden, 999_999], action="take-over").json()["refused"]
    assert refused[0] | {"id": 0} == refused[1] | {"id": 0}
    assert Conversation.objects.get(pk=hidden.pk).agent_id is None


def test_closing_several_with_a_reason(post_bulk, conversations, awa, mariam, clock):
    conversations[0].take_over(awa, at=clock.now)
    response = post_bulk(awa, conversations[:2], action="close", reason="Résolu")
    assert (response.json()["done"], codes(response)) == (
        [conversations[0].pk],
        {conversations[1].pk: "forbidden"},
    )
    assert conversations[0].events.get(event_type="conversation_closed").metadata["reason"] == "Résolu"
    company_settings.set_value(company_settings.CLOSE_REASON_REQUIRED, True)
    response = post_bulk(mariam, conversations[1:], action="close")
    assert set(codes(response).values()) == {"reason_required"} and response.json()["done"] == []


def test_tagging_several(post_bulk, conversations, awa):
    response = post_bulk(awa, conversations, action="tag", add=["Devis", "Essai"])
    assert response.json()["done"] == [each.pk for each in conversations]
    post_bulk(awa, conversations[:1], action="tag", remove="devis")
    assert [each.tag_names() for each in conversations[:2]] == [["Essai"], ["Devis", "Essai"]]


def test_transferring_several(post_bulk, conversations, awa, koffi, sales, clock):
    for each in conversations[:3]:
        each.take_over(awa, at=clock.now)
    response = post_bulk(awa, conversations, action="transfer", agent=koffi.pk, note="Merci de suivre")
    assert response.json()["done"] == [each.pk for each in conversations[:3]]
    assert list(codes(response)) == [conversations[3].pk]
    assert set(Conversation.objects.held_by(koffi)) == set(conversations[:3])
    response = post_bulk(koffi, conversations[:1], action="transfer", team=sales.pk)
    assert Conversation.objects.get(pk=conversations[0].pk).team == sales


@pytest.mark.parametrize(
    ("ids", "fields", "code"),
    [
        ([], {"action": "close"}, "ids"),
        (range(1, 102), {"action": "close"}, "too_many"),
        ([1], {"action": "delete"}, "action"),
        ([1], {}, "action"),
        ([1], {"action": "transfer"}, "agent"),
        ([1], {"action": "transfer", "team": "99999"}, "team"),
    ],
)
def test_a_request_that_cannot_be_carried_out(post_bulk, awa, ids, fields, code):
    response = post_bulk(awa, ids, **fields)
    assert (response.status_code, response.json()["code"]) == (422, code)


def test_a_hundred_are_accepted_and_repeated_ids_count_once(post_bulk, conversations, awa):
    response = post_bulk(awa, [*range(900_001, 900_099), conversations[0], conversations[0]], action="tag")
    assert response.json()["done"] == [conversations[0].pk]
    assert len(response.json()["refused"]) == 98


def test_the_anonymous_is_refused(client, conversations):
    response = client.post(BULK, {"ids": [1], "action": "close"}, headers={"accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (401, "login")


def test_without_javascript_a_page_asks_for_the_fields_and_says_the_result(
    client, conversations, awa, koffi, clock
):
    free, held = conversations[:2]
    held.take_over(koffi, at=clock.now)
    client.force_login(awa)
    listed = client.get("/dashboard/active").text
    assert f'name="ids" value="{free.pk}"' in listed and f'action="{BULK}"' in listed
    page = client.get(BULK, {"ids": [free.pk, held.pk], "next": "/dashboard/active?tab=bot"}).text
    assert all(f'name="action" value="{each}"' in page for each in ("take-over", "tag", "transfer", "close"))
    fields = {"ids": [free.pk, held.pk], "action": "take-over", "next": "/dashboard/active?tab=bot"}
    response = client.post(BULK, fields, follow=True)
    assert response.request["QUERY_STRING"] == "tab=bot"
    assert "1 conversation traitée." in response.text.replace("\xa0", " ")
    assert "Koffi Mensah a pris cette conversation" in response.text
    response = client.post(BULK, fields | {"next": "https://evil.example/"})
    assert response["Location"] == "/dashboard/active"
    assert client.post(BULK, {"action": "close"}, follow=True).status_code == 200


@pytest.mark.parametrize("page", ["active", "pending", "conversations"])
def test_the_rows_of_each_list_can_be_chosen(client, awa, page):
    client.force_login(awa)
    html = client.get(f"/dashboard/{page}").content.decode()
    assert 'id="list" class="panel panel--flush" data-selectable' in html
    assert "data-bulk" in html
