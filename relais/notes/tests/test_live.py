"""Notes on the live socket of a conversation: each exactly once, in order of rev, for those within reach."""

import json

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations.live_source import CHANGES_SQL
from relais.conversations.models import Conversation
from relais.notes.models import Note, mark_mentions_read
from tests.cast import MachineClock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock():
    return MachineClock()


def test_a_note_is_sent_as_a_frame(web_server, awa, with_bot, koffi_notes):
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    note = koffi_notes(with_bot, "À rappeler")
    frame = page.next_frame()
    html = frame.pop("html")
    assert frame == {
        "kind": "note",
        "id": note.pk,
        "conversation": with_bot.pk,
        "seq": note.after_seq,
        "rev": note.rev,
    }
    assert f'id="note-{note.pk}"' in html
    assert "À rappeler" in html


def test_an_edit_and_a_deletion_replace_it_by_its_id(web_server, awa, koffi, with_bot, koffi_notes, clock):
    page = web_server.watch_conversation(with_bot, awa)
    page.wait_for("caught-up")
    note = koffi_notes(with_bot, "Faute")
    page.wait_for("note", rev=note.rev)
    note.edit("Corrigé", by=koffi, at=clock.now)
    frame = page.wait_for("note", id=note.pk, rev=note.rev)
    assert "Corrigé" in frame["html"]
    note.remove(by=koffi, at=clock.now)
    frame = page.wait_for("note", id=note.pk, rev=note.rev)
    assert "Note supprimée" in frame["html"]
    assert "Corrigé" not in frame["html"]


def test_catching_up_contains_notes_exactly_once_in_order(
    web_server, awa, koffi, held_by_awa, koffi_notes, fatou_writes, clock
):
    since = held_by_awa.rev
    first = koffi_notes(held_by_awa, "première")
    fatou_writes("un message")
    second = koffi_notes(held_by_awa, "seconde")
    held_by_awa.send_as_agent("une réponse", agent=awa, at=clock.now)
    first.edit("première, corrigée", by=koffi, at=clock.now)
    frames = web_server.watch_conversation(held_by_awa, awa, since=since).frames_until("caught-up")
    revs = [frame["rev"] for frame in frames]
    assert revs == sorted(revs)
    assert frames[-1]["rev"] == Conversation.objects.get().rev
    notes = [(frame["id"], frame["rev"]) for frame in frames if frame["kind"] == "note"]
    assert notes == [(second.pk, second.rev), (first.pk, first.rev)]
    assert [frame["kind"] for frame in frames].count("message") == 2
    polled = web_server.get(f"/live?conversation={held_by_awa.pk}&since={since}", awa).json()
    assert [(f["kind"], f.get("id"), f["rev"]) for f in polled] == [
        (f["kind"], f.get("id"), f["rev"]) for f in frames
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_in_small_batches_no_note_is_missing_or_sent_twice(
    web_server, awa, with_bot, koffi_notes, fatou_writes, monkeypatch, batch_size
):
    from relais.live import conversation_subscriptions

    monkeypatch.setattr(conversation_subscriptions, "CATCH_UP_BATCH_SIZE", batch_size)
    since = with_bot.rev
    notes = []
    for number in range(5):
        notes.append(koffi_notes(with_bot, f"note {number}").pk)
        fatou_writes(f"message {number}")
        notes.append(koffi_notes(with_bot, f"autre note {number}").pk)
    frames = web_server.watch_conversation(with_bot, awa, since=since).frames_until("caught-up")
    assert [frame["id"] for frame in frames if frame["kind"] == "note"] == notes
    assert len([frame for frame in frames if frame["kind"] == "message"]) == 5


def test_unread_mentions_are_counted_live_until_they_are_read(
    web_server, awa, koffi, sales, with_bot, koffi_notes
):
    awas, koffis = web_server.open_socket(awa), web_server.open_socket(koffi)
    assert awas.wait_for("counts")["mentions"] == 0
    koffi_notes(with_bot, "@Awa Diop @Mariam")
    awas.wait_for("counts", mentions=1)
    assert koffis.wait_for("counts")["mentions"] == 0
    mark_mentions_read(with_bot.pk, awa, at=timezone.now())
    awas.wait_for("counts", mentions=0)
    koffi_notes(with_bot, "@Awa Diop")
    awas.wait_for("counts", mentions=1)
    Conversation.objects.update(team=sales)
    awas.wait_for("counts", mentions=0)


def test_an_outsider_hears_nothing(web_server, awa, yao, sales, with_bot, koffi_notes):
    Conversation.objects.update(team=sales)
    koffi_notes(with_bot, "Secret")
    assert web_server.watch_conversation(with_bot, yao, since=0).close_code() == 4404
    assert web_server.get(f"/live?conversation={with_bot.pk}&since=0", yao).status_code == 404


def test_without_notes_changes_are_read_with_one_index_lookup_more(with_bot, koffi_notes, fatou_writes):
    """The plan, and not a time, which depends on the machine."""
    for number in range(30):
        other = fatou_writes("Bonjour", address=f"whatsapp:+22507000001{number:02}")
        koffi_notes(other)
    with connection.cursor() as cursor:
        cursor.execute("analyze notes; set enable_seqscan = off")
        params = {"ids": [with_bot.pk], "since": [0], "limit": 100, "spoken": ["message_received"]}
        cursor.execute(f"explain (analyze, format json) {CHANGES_SQL}", params)
        plan = cursor.fetchone()[0]
        cursor.execute("reset enable_seqscan")
    nodes = list(nodes_of(json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]))
    (notes_scan,) = [node for node in nodes if node.get("Relation Name") == "notes"]
    assert notes_scan["Index Name"] == "note_rev_is_unique"
    assert notes_scan["Actual Rows"] == 0
    assert Note.objects.count() == 30


def nodes_of(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)
