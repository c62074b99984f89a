"""Merging two clients and undoing it: what moves, what goes back, who may, and two at once; suggestions."""

import threading

import pytest
from django.db import connection
from playwright.sync_api import expect

from relais.clients.models import Client, ClientAddress, ClientMerge
from relais.conversations.client_merge import MergeRefused, merge_clients, undo_merge
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.crm import editing
from tests.browser import Browsers
from tests.cast import FATOU, IBRAHIM, event_types_of

pytestmark = pytest.mark.django_db
TIMEOUT_SECONDS = 30


@pytest.fixture
def other(with_bot, fatou_writes, clock):
    """Fatou's second phone: a client of its own, with a conversation that waits."""
    conversation = fatou_writes("allô ?", address=IBRAHIM, name="F.")
    conversation.ask_for_agent(by=BOT, at=clock.passes(seconds=5))
    return conversation


@pytest.fixture
def filled(with_bot, other, awa, clock):
    """Both clients with data: some the same, some different, some of one only."""
    kept, merged = with_bot.client, other.client
    editing.edit_client(kept, {"vin": "W1", "attribute:ville": "Fès"}, by=awa, at=clock.now)
    editing.edit_client(
        merged,
        {"vin": "W2", "email": "f@example.com", "attribute:ville": "Rabat", "attribute:couleur": "bleu"},
        by=awa,
        at=clock.now,
    )
    editing.change_tags(kept, add=["VIP"], by=awa, at=clock.now)
    editing.change_tags(merged, add=["vip", "Flotte"], by=awa, at=clock.now)
    editing.add_note(kept, "de la première", by=awa, at=clock.now)
    editing.add_note(merged, "de la seconde", by=awa, at=clock.now)
    return kept, merged


def picture():
    """Everything that a merge may move or change, except for history and rev, which only grow."""
    clients = {
        client.pk: (
            *(
                getattr(client, name)
                for name in ("client_full_name", "whatsapp_profile_name", "email", "vin", "carte_vip")
            ),
            client.is_client,
            client.attributes,
            client.tags,
            sorted(client.fields_set_by_person),
            client.created_at,
            sorted(client.notes.values_list("body", flat=True)),
        )
        for client in Client.objects.all()
    }
    addresses = set(ClientAddress.objects.values_list("pk", "client", "opted_out_at"))
    conversations = set(
        Conversation.objects.values_list(
            "pk", "client", "address", "status", "agent", "ended_at", "last_inbound_at", "duration_seconds"
        )
    )
    return clients, addresses, conversations


def merge(desk, user, kept, merged):
    return desk(user).post(f"clients/{kept.pk}/merge", other=merged.pk)


def undo(desk, user, merge_id):
    return desk(user).post(f"merges/{merge_id}/undo")


# -- merging -------------------------------------------------------------------------------------------------


def test_everything_goes_to_the_client_who_is_kept(awa, filled, with_bot, other, desk):
    kept, merged = filled
    status, body = merge(desk, awa, kept, merged)
    assert (status, body["success"]) == (200, True)
    card = desk(awa).json(f"clients/{kept.pk}")[1]
    assert {each["address"] for each in card["addresses"]} == {FATOU, IBRAHIM}
    assert {each["id"] for each in card["conversations"]} == {with_bot.pk, other.pk}
    assert (card["vin"], card["email"]) == ("W1", "f@example.com")
    assert card["attributes"] == {"ville": "Fès", "ville_2": "Rabat", "couleur": "bleu", "vin_2": "W2"}
    assert card["tags"] == ["Flotte", "VIP"]
    assert {note["body"] for note in card["notes"]} == {"de la première", "de la seconde"}
    assert card["merges"] == [{"id": body["merge_id"], "client": merged.pk, "author": "Awa Diop"}]
    assert [row["id"] for row in desk(awa).json("clients")[1]["results"]] == [kept.pk]
    page = desk(awa).page(f"clients/{merged.pk}")
    assert (page.status_code, page["Location"]) == (302, f"/dashboard/clients/{kept.pk}")


def test_of_two_open_conversations_the_one_that_waits_goes_on(awa, filled, with_bot, other, desk):
    merge(desk, awa, *filled)
    with_bot.refresh_from_db()
    other.refresh_from_db()
    assert (other.is_open, with_bot.is_open) == (True, False)
    assert event_types_of(with_bot)[-1] == "conversation_closed"


def test_the_next_message_of_either_number_comes_to_the_same_conversation(
    awa, filled, other, fatou_writes, desk
):
    merge(desk, awa, *filled)
    assert fatou_writes("un", address=FATOU).pk == fatou_writes("deux", address=IBRAHIM).pk == other.pk


def test_a_client_is_not_merged_with_itself_or_twice(awa, filled, desk):
    kept, merged = filled
    assert merge(desk, awa, kept, kept)[0] == 422
    assert merge(desk, awa, kept, merged)[0] == 200
    assert merge(desk, awa, kept, merged)[0] == 404, "there is no such client any more"
    with pytest.raises(MergeRefused):
        merge_clients(kept.pk, merged.pk, at=kept.created_at)


def test_both_must_be_within_reach(awa, yao, mariam, sales, filled, other, desk):
    kept, merged = filled
    Conversation.objects.filter(pk=other.pk).update(team=sales)
    assert merge(desk, yao, kept, merged)[0] == 404
    assert merge(desk, yao, merged, kept)[0] == 404
    assert desk().post(f"clients/{kept.pk}/merge", other=merged.pk)[0] == 401
    assert ClientMerge.objects.count() == 0
    assert merge(desk, mariam, kept, merged)[0] == 200


# -- undoing --------------------------------------------------------------------------------------------------


def test_an_undo_gives_everything_back(awa, filled, desk):
    before = picture()
    merge_id = merge(desk, awa, *filled)[1]["merge_id"]
    assert picture() != before
    assert undo(desk, awa, merge_id) == (200, {"success": True, "merge_id": merge_id, "remaining": []})
    assert picture() == before


def test_an_undo_the_other_way_round_gives_everything_back(awa, filled, desk):
    before = picture()
    merge_id = merge(desk, awa, *reversed(filled))[1]["merge_id"]
    assert undo(desk, awa, merge_id)[0] == 200
    assert picture() == before


def test_a_second_undo_changes_nothing(awa, filled, desk):
    merge_id = merge(desk, awa, *filled)[1]["merge_id"]
    undo(desk, awa, merge_id)
    before = picture()
    assert undo(desk, awa, merge_id)[0] == 200
    assert picture() == before


def test_an_undo_is_for_who_merged_and_supervisors_within_reach(awa, koffi, yao, mariam, sales, filled, desk):
    merge_id = merge(desk, awa, *filled)[1]["merge_id"]
    assert undo(desk, koffi, merge_id)[0] == 403
    Conversation.objects.update(team=sales)
    assert undo(desk, yao, merge_id)[0] == 404
    assert undo(desk, mariam, 10**9)[0] == 404
    assert undo(desk, mariam, merge_id)[0] == 200


def test_what_changed_since_stays_and_is_told(awa, filled, desk, clock):
    kept, merged = filled
    merge_id = merge(desk, awa, kept, merged)[1]["merge_id"]
    editing.edit_client(
        kept, {"email": "neu@example.com", "attribute:couleur": "rouge"}, by=awa, at=clock.now
    )
    editing.add_note(kept, "depuis", by=awa, at=clock.now)
    editing.change_tags(kept, add=["Nouveau"], by=awa, at=clock.now)
    status, body = undo(desk, awa, merge_id)
    assert status == 200
    assert [sentence.split("»")[0].split("«")[1].strip("\xa0 ") for sentence in body["remaining"]] == [
        "E-mail",
        "couleur",
    ]
    kept.refresh_from_db()
    merged.refresh_from_db()
    assert (kept.email, kept.attributes) == ("neu@example.com", {"ville": "Fès", "couleur": "rouge"})
    assert (merged.email, merged.attributes) == ("f@example.com", {"ville": "Rabat", "couleur": "bleu"})
    assert kept.tags == ["Nouveau", "VIP"]
    assert merged.tags == ["Flotte", "vip"]
    assert sorted(kept.notes.values_list("body", flat=True)) == ["de la première", "depuis"]


def test_messages_since_stay_where_they_came_and_numbers_go_back(
    awa, filled, with_bot, other, fatou_writes, desk
):
    kept, merged = filled
    merge_id = merge(desk, awa, kept, merged)[1]["merge_id"]
    assert fatou_writes("depuis", address=FATOU).pk == other.pk, (
        "the number of the one, the conversation of the other"
    )
    _, body = undo(desk, awa, merge_id)
    assert len(body["remaining"]) == 1 and str(other.pk) in body["remaining"][0]
    other.refresh_from_db()
    with_bot.refresh_from_db()
    assert (other.client_id, other.address.address) == (merged.pk, IBRAHIM)
    assert (with_bot.client_id, with_bot.address.address, with_bot.is_open) == (kept.pk, FATOU, True)
    assert fatou_writes("encore", address=FATOU).pk == with_bot.pk
    assert fatou_writes("encore", address=IBRAHIM).pk == other.pk


def test_a_conversation_opened_since_goes_to_its_number(
    mariam, awa, filled, with_bot, other, fatou_writes, desk, clock
):
    kept, merged = filled
    merge_id = merge(desk, awa, kept, merged)[1]["merge_id"]
    other.refresh_from_db()
    other.close(mariam, at=clock.passes(minutes=1))
    new = fatou_writes("de nouveau", address=FATOU)
    _, body = undo(desk, awa, merge_id)
    new.refresh_from_db()
    with_bot.refresh_from_db()
    assert new.client_id == kept.pk
    assert not with_bot.is_open, "the new one is open"
    assert any(str(with_bot.pk) in sentence for sentence in body["remaining"])


def test_a_held_conversation_goes_back_to_its_agent(awa, koffi, filled, with_bot, other, desk, clock):
    with_bot.take_over(awa, at=clock.passes(minutes=1))
    other.take_over(koffi, at=clock.passes(minutes=1))
    held = {conversation.pk: conversation.agent for conversation in (with_bot, other)}
    merge_id = merge(desk, awa, *filled)[1]["merge_id"]
    undo(desk, awa, merge_id)
    assert {c.pk: c.agent for c in Conversation.objects.held()} == held


def test_a_conversation_whose_agent_has_left_waits(awa, koffi, mariam, filled, with_bot, other, desk, clock):
    with_bot.take_over(awa, at=clock.passes(minutes=1))
    other.take_over(koffi, at=clock.passes(minutes=1))
    merge_id = merge(desk, mariam, *filled)[1]["merge_id"]
    ended = next(c for c in (with_bot, other) if not Conversation.objects.get(pk=c.pk).is_open)
    ended.agent.deactivate(by=None, at=clock.now)
    undo(desk, mariam, merge_id)
    assert list(Conversation.objects.waiting()) == [ended]


def test_a_merge_of_the_kept_one_is_undone_first(awa, filled, fatou_writes, desk):
    kept, merged = filled
    third = fatou_writes("moi aussi", address="whatsapp:+33612345678").client
    first = merge(desk, awa, kept, merged)[1]["merge_id"]
    second = merge(desk, awa, third, kept)[1]["merge_id"]
    status, body = undo(desk, awa, first)
    assert (status, body["code"]) == (409, "merged_again")
    assert undo(desk, awa, second)[0] == undo(desk, awa, first)[0] == 200
    assert {client.addresses.count() for client in Client.objects.all()} == {1}


def test_an_opt_out_goes_back_with_its_number(awa, filled, with_bot, other, clock, desk):
    kept, merged = filled
    merged.opt_out(other.sender, at=clock.now, address=other.address)
    before = picture()
    merge_id = merge(desk, awa, kept, merged)[1]["merge_id"]
    assert kept.opted_out_since(other.sender)
    undo(desk, awa, merge_id)
    assert picture() == before
    assert not kept.opted_out_since(other.sender)


def test_an_opt_out_set_by_hand_is_not_lost(awa, filled, clock, desk):
    kept, merged = filled
    merged.addresses.update(opted_out_at=clock.now)
    before = picture()
    merge_id = merge(desk, awa, kept, merged)[1]["merge_id"]
    assert set(kept.addresses.values_list("opted_out_at", flat=True)) == {clock.now}
    undo(desk, awa, merge_id)
    assert picture() == before


def test_a_merge_by_a_message_is_undone_by_a_supervisor(awa, mariam, filled, fatou_writes, desk):
    fatou_writes("c'est moi", other_address=IBRAHIM)
    merge_id = ClientMerge.objects.get().pk
    assert undo(desk, awa, merge_id)[0] == 403
    assert undo(desk, mariam, merge_id)[0] == 200
    assert Client.objects.count() == 2


# -- at once ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_merges_and_undos_at_once_nothing_is_lost(awa, fatou_writes, clock):
    for n in range(6):
        clients = [fatou_writes("un", address=f"whatsapp:+2126130{n}{m}0000").client for m in range(3)]
        pairs = [(0, 1), (1, 0), (1, 2), (2, 0)]
        barrier, outcomes = threading.Barrier(len(pairs)), []

        def run(pair, clients=clients, barrier=barrier, outcomes=outcomes):
            kept, merged = (clients[m].pk for m in pair)
            try:
                barrier.wait(TIMEOUT_SECONDS)
                outcomes.append(merge_clients(kept, merged, at=clock.now, by=awa))
            except MergeRefused as refusal:
                outcomes.append(refusal)
            except Exception as error:
                outcomes.append(repr(error))
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=[pair]) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_SECONDS)
        merges = [outcome for outcome in outcomes if isinstance(outcome, ClientMerge)]
        assert len(merges) == 2, outcomes
        assert [outcome for outcome in outcomes if isinstance(outcome, str)] == []
        for done in ClientMerge.objects.filter(undone_at=None).order_by("-pk"):
            undo_merge(done, by=awa, at=clock.now)
        assert all(client.addresses.count() == 1 for client in clients)
        open_conversations = Conversation.objects.filter(client__in=clients).open()
        assert open_conversations.count() == 3


# -- suggestions --------------------------------------------------------------------------------------------


def client_with(number, **fields):
    client = Client.objects.create(**fields)
    ClientAddress.objects.create(client=client, address=f"whatsapp:{number}", phone_number=number)
    return client


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ({"vin": "WDB2030461A123456"}, {"vin": "wdb2030461a123456"}, "même VIN"),
        ({"email": "a@example.com"}, {"email": "A@Example.com"}, "même e-mail"),
        ({"number": "+2250707123456"}, {"number": "+2250107123456"}, "autre forme du numéro"),
        ({"number": "+212612345678"}, {"number": "+2120612345678"}, "autre forme du numéro"),
    ],
)
def test_possible_duplicates_are_suggested_until_dismissed(awa, desk, one, other, reason):
    first = client_with(**({"number": "+33611111111"} | one))
    second = client_with(**({"number": "+33622222222"} | other))
    client_with("+33633333333", email="x@example.com", vin="X")
    for each, suggested in ((first, second), (second, first)):
        page = desk(awa).page(f"clients/{each.pk}/merge").content.decode()
        assert f'value="{suggested.pk}"' in page and reason in page
    assert desk(awa).post(f"clients/{first.pk}/not-duplicate", other=second.pk)[0] == 200
    assert desk(awa).post(f"clients/{second.pk}/not-duplicate", other=first.pk)[0] == 200
    assert "not-duplicate" not in desk(awa).page(f"clients/{second.pk}/merge").content.decode()


@pytest.mark.django_db(transaction=True)
def test_merging_and_undoing_on_the_page(run_story, clock_starts_now, awa, with_bot, other):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/clients/{with_bot.client_id}")
        page.get_by_role("link", name="Fusionner avec un autre client").click()
        page.get_by_role("searchbox").fill("07 00")
        page.get_by_role("button", name="Chercher").click()
        page.get_by_role("button", name="Fusionner F.").click()
        expect(page.locator(".record__card")).to_contain_text("+225 07 00 00 0002")
        expect(page.locator(".record__thread")).to_contain_text("allô ?")
        page.get_by_role("button", name="Annuler la fusion").click()
        expect(page.locator(".notice")).to_contain_text("La fusion est annulée.")
        expect(page.locator(".record__card")).not_to_contain_text("+225 07 00 00 0002")

    run_story(story)
