"""@mentions: who is found in a text, who is told, and when a mention is read."""

import pytest
from django.test import Client

from relais.accounts.models import Team, User
from relais.conversations.models import Conversation
from relais.notes.mentions import find_mentions
from relais.notes.models import Note, NoteMention, colleagues_for
from relais.notes.signals import colleagues_mentioned

pytestmark = pytest.mark.django_db


def mentioned(text, *names):
    """The full names that the text mentions, with the words that do."""
    users = [User(pk=number, full_name=name) for number, name in enumerate(names)]
    return [(mention.user.full_name, mention.name) for mention in find_mentions(text, users)]


TEAM = ("Awa Diop", "Awa Koné", "Koffi Mensah", "Mariam Traoré")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@Koffi Mensah, tu rappelles ?", [("Koffi Mensah", "Koffi Mensah")]),
        ("voir avec @koffi", [("Koffi Mensah", "koffi")]),
        ("@MARIAM TRAORE et @Koffi", [("Mariam Traoré", "MARIAM TRAORE"), ("Koffi Mensah", "Koffi")]),
        ("(@Mariam)", [("Mariam Traoré", "Mariam")]),
        ("@Awa", []),  # Two colleagues have this first name.
        ("@Awa Koné", [("Awa Koné", "Awa Koné")]),
        ("@Koffi et encore @Koffi Mensah", [("Koffi Mensah", "Koffi")]),
        ("@Koffie", []),
        ("koffi@example.com", []),
        ("https://example.com/@koffi", []),
        ("@@koffi", []),
        ("@ Koffi", []),
        ("@", []),
        ("İ @koffi", [("Koffi Mensah", "koffi")]),
    ],
)
def test_which_colleagues_a_text_mentions(text, found):
    assert mentioned(text, *TEAM) == found


def test_of_namesakes_all_are_mentioned():
    assert [name for name, _ in mentioned("@Awa Diop", "Awa Diop", "Awa Diop")] == ["Awa Diop"] * 2


@pytest.fixture
def told():
    """The arguments of each signal."""
    signals = []

    def receive(sender, **arguments):
        signals.append(arguments)

    colleagues_mentioned.connect(receive)
    yield signals
    colleagues_mentioned.disconnect(receive)


def test_a_mentioned_colleague_is_stored_and_told(with_bot, awa, koffi, koffi_notes, told):
    note = koffi_notes(with_bot, "@Awa Diop, vois-tu ? @Koffi Mensah @personne")
    assert list(note.mentions.values_list("user", "name", "read_at")) == [(awa.pk, "Awa Diop", None)]
    (signal,) = told
    assert (signal["note"], signal["users"], signal["by"]) == (note, [awa], koffi)


def test_an_edit_tells_the_new_ones_and_forgets_the_removed_ones(
    with_bot, awa, mariam, koffi, koffi_notes, told, clock
):
    note = koffi_notes(with_bot, "@Awa Diop")
    note.edit("@Awa Diop @Mariam Traoré", by=koffi, at=clock.now)
    note.edit("@Mariam Traoré", by=koffi, at=clock.now)
    assert list(note.mentions.values_list("user", flat=True)) == [mariam.pk]
    assert [signal["users"] for signal in told] == [[awa], [mariam]]


def test_a_deleted_note_mentions_nobody(with_bot, awa, koffi, koffi_notes, clock):
    koffi_notes(with_bot, "@Awa Diop").remove(by=koffi, at=clock.now)
    assert not NoteMention.objects.exists()


def test_only_colleagues_in_reach_are_offered_and_mentioned(
    with_bot, sales, awa, koffi, mariam, yao, koffi_notes
):
    Conversation.objects.update(team=sales)
    User.objects.filter(pk=koffi.pk).update(team=sales)
    with_bot.refresh_from_db()
    assert list(colleagues_for(with_bot, koffi)) == [mariam]
    note = koffi_notes(with_bot, "@Awa Diop @Yao Kouassi @Mariam Traoré")
    assert list(note.mentions.values_list("user", flat=True)) == [mariam.pk]


def test_offered_colleagues_are_those_who_reach_the_conversation(with_bot, sales, awa, koffi, mariam, yao):
    User.objects.filter(pk=koffi.pk).update(team=sales, is_active=True)
    User.objects.filter(pk=awa.pk).update(is_active=False)
    for team in (None, *Team.objects.all()):
        Conversation.objects.update(team=team)
        offered = set(User.objects.reaching_team(team and team.pk))
        assert offered == {user for user in User.objects.all() if user.reachable_conversations().exists()}


def signed_in(user, accept="application/json"):
    client = Client(headers={"accept": accept})
    client.force_login(user)
    return client


def test_the_list_of_colleagues_is_json_within_reach(with_bot, sales, awa, koffi, yao):
    response = signed_in(koffi).get(f"/dashboard/chat/{with_bot.pk}/colleagues")
    assert response.json()["results"][0] == {"id": awa.pk, "name": "Awa Diop", "role": "Agent"}
    Conversation.objects.update(team=sales)
    assert signed_in(yao).get(f"/dashboard/chat/{with_bot.pk}/colleagues").status_code == 404


def mentions_of(user):
    return signed_in(user).get("/dashboard/mentions").json()["results"]


def test_the_list_of_mentions_and_reading_them(with_bot, awa, koffi, koffi_notes):
    note = koffi_notes(with_bot, "@Awa Diop <b>")
    (mention,) = mentions_of(awa)
    assert mention == {
        "note": note.pk,
        "conversation": with_bot.pk,
        "client": "Fatou",
        "by": "Koffi Mensah",
        "body": "@Awa Diop <b>",
        "at": mention["at"],
        "is_read": False,
    }
    page = signed_in(awa, "text/html").get("/dashboard/mentions").text
    assert f"/dashboard/chat/{with_bot.pk}#note-{note.pk}" in page
    assert "@Awa Diop &lt;b&gt;" in page
    signed_in(koffi, "text/html").get(f"/dashboard/chat/{with_bot.pk}")
    assert not mentions_of(awa)[0]["is_read"]
    signed_in(awa, "text/html").get(f"/dashboard/chat/{with_bot.pk}")
    assert mentions_of(awa)[0]["is_read"]
    assert mentions_of(koffi) == []
    assert "Personne ne vous a mentionné." in signed_in(koffi, "text/html").get("/dashboard/mentions").text


def test_the_open_page_marks_a_new_mention_as_read(with_bot, awa, koffi_notes):
    koffi_notes(with_bot, "@Awa Diop")
    assert signed_in(awa).post(f"/dashboard/chat/{with_bot.pk}/read").json() == {"success": True}
    assert mentions_of(awa)[0]["is_read"]


def test_mentions_out_of_reach_are_not_listed(with_bot, sales, awa, koffi_notes):
    koffi_notes(with_bot, "@Awa Diop")
    Conversation.objects.update(team=sales)
    assert mentions_of(awa) == []


def test_a_mention_is_marked_in_the_text(with_bot, awa, koffi, koffi_notes):
    awa.full_name = "Awa <D'iop>"
    awa.save()
    note = koffi_notes(with_bot, "Voir @Awa <D'iop> et @Awa")
    page = signed_in(koffi, "text/html").get(f"/dashboard/chat/{with_bot.pk}").text
    assert '<span class="note__mention">@Awa &lt;D&#x27;iop&gt;</span> et' in page
    assert f'data-mentions="{awa.pk}"' in page
    assert Note.objects.get() == note
