"""Tags: who may change them, how they are named, what the history, the lists and the pages show, and their settings."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from relais.company import company_settings
from relais.conversations import event_text, fragments, list_rows
from relais.conversations.models import Conversation
from relais.conversations.tagging import MAX_TAGS_PER_CONVERSATION
from relais.conversations.tags import Tag, TagColor
from tests.cast import Clock, event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


@pytest.fixture
def post_tags(client):
    def post(user, conversation, **fields):
        client.force_login(user)
        path = f"/dashboard/chat/{conversation.pk}/tags"
        return client.post(path, fields, headers={"accept": "application/json"})

    return post


def names_of(conversation):
    return conversation.tag_names()


def event_sentence(event):
    return event_text.event_sentence(event).replace("\xa0", " ")


# -- changing them -----------------------------------------------------------------------------------------


def test_a_tag_is_added_and_made_if_it_does_not_exist(post_tags, held_by_awa, awa):
    response = post_tags(awa, held_by_awa, add=["Devis", "rappeler"])
    assert (response.status_code, response.json()) == (200, {"success": True, "tags": ["Devis", "rappeler"]})
    assert Tag.objects.count() == 2
    event = held_by_awa.events.latest("seq")
    assert (event.event_type, event.metadata) == ("tags_changed", {"added": ["Devis", "rappeler"]})
    assert event_sentence(event) == "Awa Diop a ajouté les étiquettes « Devis », « rappeler »"


def test_a_tag_is_the_same_whatever_its_accents_and_case(post_tags, held_by_awa, with_bot, awa):
    post_tags(awa, held_by_awa, add="Véhicule  neuf")
    assert post_tags(awa, held_by_awa, add="vehicule neuf").json()["tags"] == ["Véhicule neuf"]
    post_tags(awa, held_by_awa, add="Œuvre")
    assert post_tags(awa, held_by_awa, add="OEUVRE").json()["tags"] == ["Œuvre", "Véhicule neuf"]
    assert post_tags(awa, held_by_awa, remove=["VÉHICULE NEUF", "œuvre"]).json()["tags"] == []
    assert Tag.objects.count() == 2


def test_adding_and_removing_in_one_request(post_tags, held_by_awa, awa):
    post_tags(awa, held_by_awa, add=["Devis", "Essai"])
    assert post_tags(awa, held_by_awa, add="Vendu", remove=["Devis", "Inconnu"]).json()["tags"] == [
        "Essai",
        "Vendu",
    ]
    assert event_sentence(held_by_awa.events.latest("seq")) == (
        "Awa Diop a changé les étiquettes : plus « Vendu », moins « Devis »"
    )
    assert post_tags(awa, held_by_awa, remove="Vendu").json()["tags"] == ["Essai"]
    assert event_sentence(held_by_awa.events.latest("seq")) == "Awa Diop a retiré l'étiquette « Vendu »"


def test_a_repeated_change_changes_nothing(post_tags, held_by_awa, awa):
    first, second = (post_tags(awa, held_by_awa, add="Devis").json() for _ in range(2))
    assert first == second
    assert event_types_of(held_by_awa).count("tags_changed") == 1
    post_tags(awa, held_by_awa, remove="Absente")
    assert event_types_of(held_by_awa).count("tags_changed") == 1


def test_everyone_in_reach_may_tag_also_when_it_has_ended(post_tags, ended, koffi):
    assert post_tags(koffi, ended, add="Devis").json()["tags"] == ["Devis"]


def test_a_tag_raises_rev_and_is_no_activity(held_by_awa, awa, clock):
    before = Conversation.objects.get(pk=held_by_awa.pk)
    held_by_awa.change_tags(add=["Devis"], by=awa, at=clock.passes(hours=1))
    after = Conversation.objects.get(pk=held_by_awa.pk)
    assert (after.rev, after.seq) == (before.rev + 1, before.seq + 1)
    assert after.last_activity_at == before.last_activity_at


def test_out_of_reach_nothing_is_found(post_tags, held_by_awa, yao, sales):
    Conversation.objects.filter(pk=held_by_awa.pk).update(team=sales)
    assert post_tags(yao, held_by_awa, add="Devis").status_code == 404
    assert not Tag.objects.exists()


@pytest.mark.parametrize(("name", "code"), [("\u200b", "empty_tag"), ("x" * 41, "tag_too_long")])
def test_names_that_cannot_be_used(post_tags, held_by_awa, awa, name, code):
    response = post_tags(awa, held_by_awa, add=["Devis", name])
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert names_of(held_by_awa) == []


def test_at_most_so_many_tags(post_tags, held_by_awa, awa):
    names = [f"étiquette {n}" for n in range(MAX_TAGS_PER_CONVERSATION)]
    assert post_tags(awa, held_by_awa, add=names).status_code == 200
    response = post_tags(awa, held_by_awa, add="une de plus")
    assert (response.status_code, response.json()["code"]) == (422, "too_many_tags")
    assert post_tags(awa, held_by_awa, add="une de plus", remove=names[0]).status_code == 200


def test_making_tags_can_be_reserved_to_supervisors(post_tags, held_by_awa, awa, mariam):
    company_settings.set_value(company_settings.NEW_TAGS_BY_SUPERVISORS, True)
    response = post_tags(awa, held_by_awa, add="Devis")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert "Devis" in response.json()["error"] and not Tag.objects.exists()
    assert post_tags(mariam, held_by_awa, add="Devis").status_code == 200
    assert post_tags(awa, held_by_awa, remove="Devis").status_code == 200
    assert post_tags(awa, held_by_awa, add="devis").json()["tags"] == ["Devis"]


def test_without_javascript_the_form_returns_to_the_conversation(client, held_by_awa, awa):
    client.force_login(awa)
    page = client.post(f"/dashboard/chat/{held_by_awa.pk}/tags", {"add": "Devis"}, follow=True).text
    assert "tag--" in page and "Devis" in page
    page = client.post(
        f"/dashboard/chat/{held_by_awa.pk}/tags", {"add": "", "remove": "Devis"}, follow=True
    ).text
    assert 'value="Devis"' not in page
    page = client.post(f"/dashboard/chat/{held_by_awa.pk}/tags", {"add": "x" * 50}, follow=True).text
    assert "au plus 40 caractères" in page


# -- the lists ------------------------------------------------------------------------------------------------


def test_a_row_shows_three_tags_and_how_many_more(held_by_awa, awa, clock):
    held_by_awa.change_tags(add=["a1", "b2", "c3", "d4", "e5"], by=awa, at=clock.now)
    row = fragments.row(held_by_awa)
    assert [name in row for name in ("a1", "b2", "c3", "d4")] == [True, True, True, False]
    assert "+2" in row


def test_the_tags_of_a_list_need_no_query_of_their_own(fatou_writes, awa, clock):
    for n in range(5):
        conversation = fatou_writes("bonjour", address=f"whatsapp:+22507000000{n}0")
        conversation.change_tags(add=[f"étiquette {n}", "Devis"], by=awa, at=clock.now)
    with CaptureQueriesContext(connection) as queries:
        rows = [fragments.row(each) for each in list_rows.with_row_data(Conversation.objects.all())]
    assert len(queries) == 1
    assert all("Devis" in row and "étiquette" in row for row in rows)


@pytest.mark.parametrize("by_id", [True, False])
def test_the_list_is_filtered_by_tag(client, monkeypatch, fatou_writes, awa, clock, by_id):
    if not by_id:
        monkeypatch.setattr("relais.conversations.list_filters.MAX_CONVERSATIONS_BY_ID", 0)
    tagged = fatou_writes("bonjour", address="whatsapp:+2250700000001")
    other = fatou_writes("bonjour", address="whatsapp:+2250700000002")
    tagged.change_tags(add=["Véhicule neuf"], by=awa, at=clock.now)
    client.force_login(awa)
    page = client.get("/dashboard/conversations", {"tag": "vehicule neuf"}).text
    assert f'id="row-{tagged.pk}"' in page and f'id="row-{other.pk}"' not in page
    page = client.get("/dashboard/conversations", {"tag": "inconnue"}).text
    assert f'id="row-{other.pk}"' in page and "filtre n'a pas été compris" in page.replace("&#x27;", "'")


# -- all tags ---------------------------------------------------------------------------------------------------


def test_the_picker_lists_all_tags(client, held_by_awa, awa, clock):
    held_by_awa.change_tags(add=["été", "Devis"], by=awa, at=clock.now)
    client.force_login(awa)
    answer = client.get("/dashboard/tags", headers={"accept": "application/json"}).json()
    assert [tag["name"] for tag in answer["results"]] == ["Devis", "été"]
    assert {tag["color"] for tag in answer["results"]} <= set(TagColor.values)
    assert answer["may_make"] is True


def test_the_settings_are_for_supervisors(client, held_by_awa, awa, clock):
    held_by_awa.change_tags(add=["Devis"], by=awa, at=clock.now)
    tag = Tag.objects.get()
    client.force_login(awa)
    assert client.get("/dashboard/settings/tags").status_code == 403
    for action in ("", "/merge", "/delete"):
        assert client.post(f"/dashboard/settings/tags/{tag.pk}{action}").status_code == 403
    assert Tag.objects.get().name == "Devis"


def settings_post(client, mariam, tag, action="", **fields):
    client.force_login(mariam)
    return client.post(f"/dashboard/settings/tags/{tag.pk}{action}", fields, follow=True).text


def test_renaming_and_recolouring_is_shown_at_once(client, held_by_awa, awa, mariam, clock):
    held_by_awa.change_tags(add=["Devis"], by=awa, at=clock.now)
    rev = Conversation.objects.get(pk=held_by_awa.pk).rev
    page = settings_post(client, mariam, Tag.objects.get(), name="Devis envoyé", color="pink")
    assert "enregistrée" in page
    assert Tag.objects.values_list("name", "color").get() == ("Devis envoyé", "pink")
    assert Conversation.objects.get(pk=held_by_awa.pk).rev == rev + 1


def test_a_name_of_another_tag_is_refused(client, held_by_awa, awa, mariam, clock):
    held_by_awa.change_tags(add=["Devis", "Essai"], by=awa, at=clock.now)
    page = settings_post(client, mariam, Tag.objects.get(name="Essai"), name="DÉVIS", color="pink")
    assert "Une autre étiquette porte déjà ce nom" in page
    assert set(Tag.objects.values_list("name", flat=True)) == {"Devis", "Essai"}


def test_merging_gives_the_conversations_the_other_tag(client, held_by_awa, fatou_writes, awa, mariam, clock):
    both = fatou_writes("bonjour", address="whatsapp:+2250700000001")
    held_by_awa.change_tags(add=["Devis"], by=awa, at=clock.now)
    both.change_tags(add=["Devis", "Offre"], by=awa, at=clock.now)
    page = settings_post(
        client, mariam, Tag.objects.get(name="Devis"), "/merge", into=Tag.objects.get(name="Offre").pk
    )
    assert "fusionnée" in page
    assert names_of(held_by_awa) == names_of(both) == ["Offre"]
    tag = Tag.objects.get()
    assert "Choisissez une autre étiquette" in settings_post(client, mariam, tag, "/merge", into=tag.pk)


def test_deleting_takes_it_from_its_conversations(client, held_by_awa, awa, mariam, clock):
    held_by_awa.change_tags(add=["Devis"], by=awa, at=clock.now)
    rev = Conversation.objects.get(pk=held_by_awa.pk).rev
    assert "supprimée" in settings_post(client, mariam, Tag.objects.get(), "/delete")
    assert (names_of(held_by_awa), Tag.objects.count()) == ([], 0)
    assert Conversation.objects.get(pk=held_by_awa.pk).rev == rev + 1
    assert "« Devis »" in event_sentence(held_by_awa.events.latest("seq"))
