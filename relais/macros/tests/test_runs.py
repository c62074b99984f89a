"""Running a macro: in order, once, until a step is refused; and its preview, which changes nothing."""

import threading
from datetime import timedelta

import pytest

from relais.accounts.models import Team
from relais.company import company_settings
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.tags import Tag
from relais.macros.models import Macro, MacroRun
from relais.macros.preview import fill_steps, preview_steps
from relais.macros.tests.conftest import CLOSE, NOTE, SEND, TAG
from relais.notes.models import Note
from relais.quick_replies.variables import context_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(clock):
    """A function that runs a macro with filled texts."""

    def run_macro(macro, conversation, by, ref="ref", undo_seconds=0):
        steps = fill_steps(macro.step_list(), context_for(by, conversation))
        conversation = Conversation.objects.get(pk=conversation.pk)
        return MacroRun.run(
            macro, conversation, by=by, ref=ref, steps=steps, undo_seconds=undo_seconds, at=clock.now
        )

    return run_macro


def previews(macro, conversation, by, at):
    steps = fill_steps(macro.step_list(), context_for(by, conversation))
    return preview_steps(steps, conversation, by=by, at=at)


def kinds(conversation):
    return list(conversation.events.order_by("seq").values_list("event_type", flat=True))


def texts_to_client(conversation):
    return list(conversation.deliveries.order_by("event__seq").values_list("event__body", flat=True))


def test_the_steps_run_in_order_through_the_verbs(create_macro, run, held_by_awa, awa, clock):
    before = held_by_awa.rev
    macro = create_macro(awa, SEND, TAG, NOTE, CLOSE)
    done = run(macro, held_by_awa, awa)
    assert (done.done, done.refusal) == ([1, 2, 3, 4], None)
    held_by_awa.refresh_from_db()
    assert kinds(held_by_awa)[-4:] == ["agent_message", "tags_changed", "conversation_closed", "message_sent"]
    assert held_by_awa.status == "completed"
    assert held_by_awa.events.get(event_type="conversation_closed").metadata["reason"] == "Devis envoyé"
    assert "Bonjour Fatou, Awa Diop à votre service." in texts_to_client(held_by_awa)
    assert Note.objects.get().body == "Devis envoyé à Fatou."
    assert held_by_awa.tag_names() == ["devis"]
    assert held_by_awa.rev > before
    macro.refresh_from_db()
    assert (macro.use_count, macro.last_used_at) == (1, clock.now)


def test_a_repeated_ref_does_nothing_twice(create_macro, run, held_by_awa, awa, koffi, clock):
    macro = create_macro(awa, SEND, NOTE, {"type": "transfer", "agent": koffi.pk, "note": "à suivre"})
    first = run(macro, held_by_awa, awa)
    clock.passes(minutes=5)
    story = kinds(held_by_awa)
    again = run(macro, held_by_awa, awa)
    assert (again.pk, again.done) == (first.pk, [1, 2, 3])
    assert kinds(held_by_awa) == story
    assert Note.objects.count() == 1
    macro.refresh_from_db()
    assert macro.use_count == 1
    held_by_awa.refresh_from_db()
    assert held_by_awa.agent == koffi


def test_an_interrupted_run_continues_where_it_stopped(create_macro, run, held_by_awa, awa, monkeypatch):
    macro = create_macro(awa, SEND, TAG, NOTE)

    def broken(*args, **kwargs):
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(Note, "write", broken)
        with pytest.raises(ConnectionError):
            run(macro, held_by_awa, awa)
    assert MacroRun.objects.get().done == [1, 2]
    # Meanwhile the macro is changed: the run goes on with what was previewed.
    Macro.objects.update(steps=[])
    texts = texts_to_client(held_by_awa)
    assert run(macro, held_by_awa, awa).done == [1, 2, 3]
    assert texts_to_client(held_by_awa) == texts
    assert Note.objects.get().body == "Devis envoyé à Fatou."


def test_a_finished_run_keeps_no_text(create_macro, run, held_by_awa, awa):
    done = run(create_macro(awa, SEND, NOTE), held_by_awa, awa)
    done.refresh_from_db()
    assert done.steps == [{"type": "send"}, {"type": "note"}]


def test_it_stops_at_the_first_refusal(create_macro, run, held_by_awa, awa, clock):
    company_settings.set_value(company_settings.CLOSE_REASON_REQUIRED, False)
    macro = create_macro(awa, TAG, SEND, {"type": "close"}, scope="mine")
    clock.passes(hours=25)
    stopped = run(macro, held_by_awa, awa)
    assert stopped.done == [1]
    assert (stopped.refusal["step"], stopped.refusal["code"]) == (2, "window_closed")
    assert "plus de 24" in stopped.refusal["error"]
    held_by_awa.refresh_from_db()
    assert held_by_awa.is_open
    assert run(macro, held_by_awa, awa).pk == stopped.pk


def test_who_may_not_is_refused_as_in_the_single_action(create_macro, run, held_by_awa, koffi, awa):
    stopped = run(create_macro(koffi, SEND), held_by_awa, koffi)
    assert (stopped.done, stopped.refusal["code"], stopped.refusal["http_status"]) == ([], "forbidden", 403)
    macro = create_macro(koffi, shortcut="b")
    assert macro.use_count == 0
    held_by_awa.close(awa, at=held_by_awa.last_activity_at)
    ended = run(macro, held_by_awa, koffi, ref="b")
    assert (ended.refusal["code"], ended.refusal["http_status"]) == ("ended", 409)


def test_someone_was_faster(create_macro, run, held_by_awa, awa, koffi, mariam, clock):
    held_by_awa.reassign(koffi, by=mariam, at=clock.now)
    stopped = run(create_macro(awa, TAG, CLOSE), held_by_awa, awa)
    assert (stopped.done, stopped.refusal["step"]) == ([1], 2)
    assert "Koffi Mensah tient cette conversation" in stopped.refusal["error"]


def test_a_step_out_of_reach_is_refused(create_macro, run, held_by_awa, awa):
    team = Team.objects.create(name="Devis")
    macro = create_macro(awa, {"type": "transfer", "team": team.pk}, NOTE)
    stopped = run(macro, held_by_awa, awa)
    assert (stopped.done, stopped.refusal["code"]) == ([1], "not_found")
    assert not Note.objects.exists()


def test_undo_reopens_and_withdraws_the_texts(create_macro, run, held_by_awa, awa, clock):
    done = run(create_macro(awa, SEND, TAG, CLOSE), held_by_awa, awa, undo_seconds=5)
    clock.passes(seconds=3)
    done.undo(by=awa, at=clock.now)
    held_by_awa.refresh_from_db()
    assert held_by_awa.is_held_by(awa)
    withdrawn = MessageDelivery.objects.filter(reason="undone")
    assert withdrawn.count() == 2  # the text and the closing text
    assert held_by_awa.tag_names() == ["devis"]
    done.undo(by=awa, at=clock.now)
    assert kinds(held_by_awa).count("conversation_reopened") == 1


def test_undo_too_late_changes_nothing(create_macro, run, held_by_awa, awa, clock):
    from relais.action_errors import ActionRefused

    done = run(create_macro(awa, SEND, CLOSE), held_by_awa, awa, undo_seconds=5)
    clock.passes(minutes=1)
    with pytest.raises(ActionRefused):
        done.undo(by=awa, at=clock.now)
    held_by_awa.refresh_from_db()
    assert not held_by_awa.is_open
    assert not MessageDelivery.objects.filter(reason="undone").exists()


class TestPreview:
    def test_it_says_what_the_client_reads_and_changes_nothing(self, create_macro, held_by_awa, awa, clock):
        macro = create_macro(awa, SEND, TAG, NOTE, CLOSE)
        held_by_awa.refresh_from_db()
        before = (held_by_awa.rev, held_by_awa.seq, ConversationEvent.objects.count())
        shown = previews(macro, held_by_awa, awa, clock.now)
        assert [each.refusal for each in shown] == [""] * 4
        assert shown[0].sent_texts == ["Bonjour Fatou, Awa Diop à votre service."]
        assert shown[3].automatic_texts == [company_settings.render_text(company_settings.CLOSE_TEXT)]
        held_by_awa.refresh_from_db()
        assert before == (held_by_awa.rev, held_by_awa.seq, ConversationEvent.objects.count())
        assert (Note.objects.count(), Tag.objects.count(), MacroRun.objects.count()) == (0, 0, 0)

    def test_it_says_what_cannot_be_done_now(self, create_macro, held_by_awa, awa, koffi, clock):
        macro = create_macro(awa, SEND, TAG, CLOSE)
        company_settings.set_value(company_settings.NEW_TAGS_BY_SUPERVISORS, True)
        clock.passes(hours=25)
        shown = previews(macro, held_by_awa, awa, clock.now)
        assert [each.code for each in shown] == ["window_closed", "forbidden", ""]
        assert shown[2].automatic_texts == []  # the closing text would not be sent now
        shown = previews(macro, held_by_awa, koffi, clock.now)
        assert [each.code for each in shown] == ["forbidden"] * 3

    def test_a_pause_shows_its_end(self, create_macro, held_by_awa, awa, clock):
        macro = create_macro(awa, {"type": "snooze", "until": "36h"})
        [shown] = previews(macro, held_by_awa, awa, clock.now)
        assert shown.snoozed_until == clock.now + timedelta(hours=36)

    def test_a_macro_that_closes_nobodys_conversation_says_nothing(
        self, create_macro, waiting, mariam, clock
    ):
        [shown] = previews(create_macro(mariam, CLOSE), waiting, mariam, clock.now)
        assert (shown.refusal, shown.automatic_texts) == ("", [])


@pytest.mark.django_db(transaction=True)
def test_two_requests_with_one_ref_do_each_step_once(create_macro, run, held_by_awa, awa):
    from django.db import connection

    macro = create_macro(awa, SEND, NOTE, TAG, SEND)
    start, results = threading.Barrier(2), []

    def request():
        start.wait()
        try:
            results.append(run(macro, held_by_awa, awa).done)
        finally:
            connection.close()

    threads = [threading.Thread(target=request) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[1, 2, 3, 4]] * 2
    assert kinds(held_by_awa).count("agent_message") == 2
    assert Note.objects.count() == 1
