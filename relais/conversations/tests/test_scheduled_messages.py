"""Scheduled messages: written now, leaving at their time under the guards of that time, exactly once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from relais.choices import parse_choices
from relais.content_templates.models import ContentTemplate
from relais.content_templates.synchronisation import TemplateRecord, store_templates
from relais.conversations import scheduled_messages
from relais.conversations.models import Conversation, Media
from relais.conversations.scheduled_messages import ScheduledMessage, delete_finished, send_due
from relais.conversations.scheduled_times import parse_form_time
from relais.files.models import StoredFile, delete_unreferenced
from relais.notifications.notification import Notification
from relais.notifications.notification_kinds import NotificationKind

pytestmark = pytest.mark.usefixtures("clock_starts_now")
TEMPLATE_SID = "HX" + "a" * 32
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def templates(db):
    body = {"twilio/text": {"body": "Bonjour {{1}}, votre {{2}} est prête."}}
    approved = {"status": "approved", "category": "UTILITY"}
    store_templates([TemplateRecord(TEMPLATE_SID, "pret", "fr", body, {}, approved)], at=timezone.now())


@pytest.fixture
def page(awa):
    return signed_in(awa)


def signed_in(user):
    browser = Browser()
    browser.force_login(user)
    return browser


def post(browser, path, **fields):
    return browser.post(f"/dashboard/{path}", fields, HTTP_ACCEPT="application/json")


def in_an_hour(hours=1):
    return (timezone.now() + hours * HOUR).isoformat()


def schedule(browser, conversation, message="À demain", **fields):
    fields = {"send_at": in_an_hour()} | fields
    return post(browser, f"chat/{conversation.pk}/send", message=message, **fields)


def scheduled_by(agent, conversation, text="À demain", *, clock, hours=1, **fields):
    return conversation.schedule(text, agent=agent, send_at=clock.now + hours * HOUR, at=clock.now, **fields)


def leave(clock, hours=2):
    return send_due(ScheduledMessage.objects.all(), at=clock.now + hours * HOUR)


def texts(conversation):
    return [event.body for event in conversation.events.filter(event_type="agent_message").order_by("seq")]


def withheld_reason(scheduled):
    scheduled.refresh_from_db()
    [event] = scheduled.conversation.events.filter(event_type="scheduled_withheld")
    assert (scheduled.state, event.metadata["reason"], event.body) == (
        "withheld",
        scheduled.reason,
        scheduled.body,
    )
    return scheduled.reason


class TestScheduling:
    def test_it_is_kept_until_its_time_and_nothing_is_said_before(self, page, held_by_awa, clock):
        rev = Conversation.objects.get(pk=held_by_awa.pk).rev
        answer = schedule(page, held_by_awa).json()
        assert (answer["success"], answer["status"], answer["event_id"]) == (True, "scheduled", None)
        scheduled = ScheduledMessage.objects.get(pk=answer["scheduled_id"])
        assert scheduled.rev == rev + 1
        assert leave(clock, hours=0) == 0
        assert texts(held_by_awa) == []

    def test_the_offset_counts(self, page, held_by_awa):
        at = (timezone.now() + HOUR).replace(microsecond=0)
        local = at.astimezone(timezone.get_fixed_timezone(-330))
        answer = schedule(page, held_by_awa, send_at=local.isoformat()).json()
        assert ScheduledMessage.objects.get(pk=answer["scheduled_id"]).send_at == at

    @pytest.mark.parametrize(
        ("send_at", "code"),
        [
            ("2020-01-01T09:00:00+01:00", "send_at_past"),
            ("2100-01-01T09:00:00Z", "send_at_too_far"),
            ("2026-12-24T09:00:00", "send_at_invalid"),
            ("demain", "send_at_invalid"),
            ("", "send_at_invalid"),
            ("0001-01-01T00:00:00+14:00", "send_at_invalid"),
        ],
    )
    def test_a_wrong_time_is_refused_and_nothing_leaves(self, page, held_by_awa, send_at, code):
        response = schedule(page, held_by_awa, send_at=send_at)
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert response.json()["error"]
        assert not held_by_awa.scheduled_messages.exists() and texts(held_by_awa) == []

    def test_null_in_json_means_at_once(self, page, held_by_awa):
        response = page.post(
            f"/dashboard/chat/{held_by_awa.pk}/send",
            {"message": "Bonjour", "send_at": None},
            content_type="application/json",
            HTTP_ACCEPT="application/json",
        )
        assert response.json()["status"] == "queued"

    def test_the_same_ref_is_answered_as_the_first_time(self, page, held_by_awa, clock):
        first, second = (schedule(page, held_by_awa, ref="r1").json() for _ in range(2))
        assert first["scheduled_id"] == second["scheduled_id"]
        leave(clock)
        third = schedule(page, held_by_awa, ref="r1").json()
        assert (third["scheduled_id"], third["status"]) == (first["scheduled_id"], "sent")
        fourth = post(page, f"chat/{held_by_awa.pk}/send", message="À demain", ref="r1").json()
        assert fourth["event_id"] == third["event_id"]
        assert texts(held_by_awa) == ["À demain"]

    def test_a_template_or_choices_with_the_ref_of_a_scheduled_one_are_not_sent_again(
        self, page, held_by_awa, clock
    ):
        schedule(page, held_by_awa, "Quand ?", ref="r1")
        template = {"content_sid": TEMPLATE_SID, "variables": "{}"}
        choices = {"message": "Quand ?", "choices": json.dumps([{"title": "Mardi"}])}
        for has_left in (False, True):
            if has_left:
                leave(clock)
            for path, fields in (("send-template", template), ("send-choices", choices)):
                response = post(page, f"chat/{held_by_awa.pk}/{path}", ref="r1", **fields)
                assert response.json()["scheduled_id"]
        assert texts(held_by_awa) == ["Quand ?"]

    def test_a_ref_that_was_sent_at_once_is_not_scheduled_again(self, page, held_by_awa):
        post(page, f"chat/{held_by_awa.pk}/send", message="Bonjour", ref="r1")
        response = schedule(page, held_by_awa, "Bonjour", ref="r1")
        assert (response.status_code, response.json()["code"]) == (409, "already_sent")

    def test_only_the_holder_schedules(self, koffi, held_by_awa):
        assert schedule(signed_in(koffi), held_by_awa).status_code == 403

    def test_an_ended_conversation_is_a_conflict(self, page, awa, held_by_awa, clock):
        held_by_awa.close(awa, at=clock.now, tell_client=False)
        response = schedule(page, held_by_awa)
        assert (response.status_code, response.json()["code"]) == (409, "ended")

    def test_out_of_reach_is_404(self, yao, sales, page, held_by_awa):
        pk = schedule(page, held_by_awa).json()["scheduled_id"]
        Conversation.objects.filter(pk=held_by_awa.pk).update(team=sales)
        other = signed_in(yao)
        assert schedule(other, held_by_awa).status_code == 404
        assert post(other, f"scheduled/{pk}/cancel").status_code == 404
        assert post(other, f"scheduled/{pk}/edit", message="Non").status_code == 404
        assert other.get(f"/dashboard/scheduled/{pk}/edit").status_code == 404

    def test_the_anonymous_sign_in_first(self, held_by_awa, db):
        response = schedule(Browser(), held_by_awa)
        assert (response.status_code, response.json()["code"]) == (401, "login")

    @pytest.mark.parametrize(("text", "code"), [(" ", "empty"), ("x" * 1601, "too_long")])
    def test_the_text_is_checked_at_once(self, page, held_by_awa, text, code):
        response = schedule(page, held_by_awa, text)
        assert (response.status_code, response.json()["code"]) == (422, code)

    def test_a_client_who_opted_out_gets_none(self, page, held_by_awa, clock):
        held_by_awa.client.opt_out(held_by_awa.sender, at=clock.now, address=held_by_awa.address)
        assert schedule(page, held_by_awa).json()["code"] == "opted_out"

    def test_outside_the_window_is_a_warning_that_offers_a_template(self, page, held_by_awa):
        assert schedule(page, held_by_awa).json()["warning"] is None
        warning = schedule(page, held_by_awa, send_at=in_an_hour(25)).json()["warning"]
        assert warning["code"] == "outside_window" and warning["error"]
        assert warning["template_url"] == f"/dashboard/chat/{held_by_awa.pk}/send-template"

    def test_there_is_a_limit_for_each_conversation(self, page, held_by_awa, monkeypatch):
        monkeypatch.setattr("relais.conversations.scheduling.MAX_SCHEDULED_PER_CONVERSATION", 1)
        assert schedule(page, held_by_awa).json()["success"] is True
        response = schedule(page, held_by_awa)
        assert (response.status_code, response.json()["code"]) == (422, "too_many_scheduled")


class TestLeaving:
    def test_it_leaves_by_the_outbox_at_its_time_once(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        assert leave(clock) == 1
        assert leave(clock) == 0
        scheduled.refresh_from_db()
        assert (scheduled.state, scheduled.event.body) == ("sent", "À demain")
        assert (scheduled.event.delivery.state, scheduled.event.delivery.by_person) == ("queued", True)
        assert scheduled.event.metadata["scheduled"] == scheduled.pk
        assert scheduled.event.author_id == awa.pk
        assert texts(held_by_awa) == ["À demain"]

    def test_several_leave_in_the_order_of_their_times(self, awa, held_by_awa, clock, monkeypatch):
        monkeypatch.setattr(scheduled_messages, "SEND_BATCH_SIZE", 1)
        for hours in (3, 1, 2):
            scheduled_by(awa, held_by_awa, f"à {hours} h", clock=clock, hours=hours)
        assert leave(clock, hours=4) == 3
        assert texts(held_by_awa) == ["à 1 h", "à 2 h", "à 3 h"]

    def test_late_it_leaves_all_the_same(self, awa, held_by_awa, clock):
        scheduled_by(awa, held_by_awa, clock=clock)
        assert leave(clock, hours=20) == 1
        assert texts(held_by_awa) == ["À demain"]

    def test_another_holder_withholds_it(self, awa, koffi, mariam, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.reassign(koffi, by=mariam, at=clock.now)
        leave(clock)
        assert withheld_reason(scheduled) == "holder_changed"
        assert texts(held_by_awa) == []

    def test_it_leaves_when_its_author_holds_the_conversation_again(
        self, awa, koffi, mariam, held_by_awa, clock
    ):
        scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.reassign(koffi, by=mariam, at=clock.now)
        held_by_awa.reassign(awa, by=mariam, at=clock.now)
        leave(clock)
        assert texts(held_by_awa) == ["À demain"]

    def test_the_bot_withholds_it(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.hand_back(awa, at=clock.now)
        leave(clock)
        assert withheld_reason(scheduled) == "holder_changed"

    def test_the_end_withholds_it(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.close(awa, at=clock.now, tell_client=False)
        leave(clock)
        assert withheld_reason(scheduled) == "ended"

    def test_the_closed_window_withholds_it(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        leave(clock, hours=31)
        assert withheld_reason(scheduled) == "window_closed"

    def test_a_message_of_the_client_opens_the_window_for_it(self, awa, held_by_awa, clock):
        scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        Conversation.objects.filter(pk=held_by_awa.pk).update(last_inbound_at=clock.now + 20 * HOUR)
        leave(clock, hours=31)
        assert texts(held_by_awa) == ["À demain"]

    def test_an_opt_out_withholds_it(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.client.opt_out(held_by_awa.sender, at=clock.now, address=held_by_awa.address)
        leave(clock)
        assert withheld_reason(scheduled) == "opted_out"

    def test_a_deactivated_author_withholds_it(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        type(awa).objects.filter(pk=awa.pk).update(is_active=False)
        leave(clock)
        assert withheld_reason(scheduled) == "holder_changed"

    def test_a_deleted_author_withholds_it_and_his_name_stays(self, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        awa.delete()
        leave(clock)
        assert withheld_reason(scheduled) == "holder_changed"
        assert scheduled.author_name == "Awa Diop"

    def test_one_that_fails_does_not_hold_back_the_others(self, awa, held_by_awa, clock, monkeypatch, caplog):
        broken = scheduled_by(awa, held_by_awa, "cassé", clock=clock)
        scheduled_by(awa, held_by_awa, "entier", clock=clock)
        send = ScheduledMessage._send

        def fail(self, conversation, at):
            if self.pk == broken.pk:
                raise RuntimeError
            return send(self, conversation, at)

        monkeypatch.setattr(ScheduledMessage, "_send", fail)
        assert leave(clock) == 1
        assert texts(held_by_awa) == ["entier"]
        assert "scheduled message failed" in caplog.text
        broken.refresh_from_db()
        assert broken.state == "scheduled"

    def test_the_author_is_told_and_what_to_read(self, awa, koffi, mariam, held_by_awa, clock):
        scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.reassign(koffi, by=mariam, at=clock.now)
        leave(clock)
        event = held_by_awa.events.get(event_type="scheduled_withheld")
        conversation = Conversation.objects.get(pk=held_by_awa.pk)
        notification = Notification(NotificationKind.WITHHELD, conversation, event)
        assert list(notification.recipients()) == [awa]
        assert "changé de mains" in notification.body(at=clock.now, shows_text=False)
        assert notification.path.endswith(f"#event-{event.pk}")
        type(awa).objects.filter(pk=awa.pk).update(is_active=False)
        assert list(notification.recipients()) == [koffi]

    def test_the_snooze_and_the_place_in_the_list_stay_when_it_is_withheld(self, awa, held_by_awa, clock):
        scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        before = Conversation.objects.get(pk=held_by_awa.pk)
        leave(clock, hours=31)
        after = Conversation.objects.get(pk=held_by_awa.pk)
        assert (before.last_activity_at, before.unanswered_since) == (
            after.last_activity_at,
            after.unanswered_since,
        )


class TestTemplatesFilesAndChoices:
    def schedule_template(self, page, conversation, **fields):
        variables = json.dumps({"1": "Fatou", "2": "Clio"})
        fields = {"content_sid": TEMPLATE_SID, "variables": variables, "send_at": in_an_hour(30)} | fields
        return post(page, f"chat/{conversation.pk}/send-template", **fields)

    def test_a_template_leaves_outside_the_window(self, page, held_by_awa, clock):
        answer = self.schedule_template(page, held_by_awa).json()
        assert answer["warning"] is None
        leave(clock, hours=31)
        scheduled = ScheduledMessage.objects.get(pk=answer["scheduled_id"])
        assert scheduled.state == "sent"
        assert scheduled.event.body == "Bonjour Fatou, votre Clio est prête."
        assert scheduled.event.metadata["content_sid"] == TEMPLATE_SID

    def test_what_send_template_refuses_is_refused_at_once(self, page, held_by_awa):
        response = self.schedule_template(page, held_by_awa, variables="{}")
        assert (response.status_code, response.json()["code"]) == (422, "variables_missing")

    def test_a_template_that_was_withdrawn_meanwhile_is_withheld(self, page, held_by_awa, clock):
        pk = self.schedule_template(page, held_by_awa).json()["scheduled_id"]
        ContentTemplate.objects.update(status="paused")
        leave(clock, hours=31)
        assert withheld_reason(ScheduledMessage.objects.get(pk=pk)) == "template_not_approved"

    def test_the_values_of_a_template_are_edited(self, page, held_by_awa, clock):
        pk = self.schedule_template(page, held_by_awa).json()["scheduled_id"]
        values = json.dumps({"1": "Fatou", "2": "Mégane"})
        assert post(page, f"scheduled/{pk}/edit", variables=values).json()["success"] is True
        leave(clock, hours=31)
        assert texts(held_by_awa) == ["Bonjour Fatou, votre Mégane est prête."]

    def test_files_stay_until_they_leave_and_go_when_it_is_cancelled(
        self, awa, held_by_awa, clock, outgoing_file
    ):
        kept = scheduled_by(awa, held_by_awa, "Voici", clock=clock, files=[outgoing_file("devis.pdf")])
        other = scheduled_by(awa, held_by_awa, "", clock=clock, files=[outgoing_file("autre.pdf")])
        other.cancel(by=awa, at=clock.now)
        delete_unreferenced(at=clock.now + timedelta(days=3))
        assert [file.pk for file in StoredFile.objects.all()] == [kept.files.get().file_id]
        leave(clock)
        assert Media.objects.get().filename == "devis.pdf"
        assert not kept.files.exists()
        delete_unreferenced(at=clock.now + timedelta(days=3))
        assert StoredFile.objects.count() == 1

    def test_choices_are_asked_at_their_time(self, page, held_by_awa, clock):
        choices = json.dumps([{"title": "Oui"}, {"title": "Non"}])
        fields = {"message": "Venez-vous ?", "kind": "buttons", "choices": choices, "send_at": in_an_hour()}
        answer = post(page, f"chat/{held_by_awa.pk}/send-choices", **fields).json()
        leave(clock)
        event = ScheduledMessage.objects.get(pk=answer["scheduled_id"]).event
        assert event.metadata["choices"] == parse_choices("buttons", json.loads(choices)).as_json()


@pytest.fixture
def outgoing_file(settings, tmp_path):
    import io

    from relais.files.models import store_file
    from relais.files.uploads import OutgoingFile

    settings.MEDIA_FOLDER = tmp_path

    def create(name):
        content = io.BytesIO(b"%PDF-1.7\n" + name.encode())
        stored = store_file(content, content_type="application/pdf", at=timezone.now())
        return OutgoingFile(stored, "application/pdf", name)

    return create


class TestEditing:
    def test_its_author_changes_text_and_time(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        answer = post(page, f"scheduled/{scheduled.pk}/edit", message="À lundi", send_at=in_an_hour(5)).json()
        assert (answer["scheduled_id"], answer["status"]) == (scheduled.pk, "scheduled")
        assert leave(clock) == 0
        assert leave(clock, hours=6) == 1
        assert texts(held_by_awa) == ["À lundi"]

    def test_what_is_not_given_stays(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        post(page, f"scheduled/{scheduled.pk}/edit", send_at=in_an_hour(3))
        scheduled.refresh_from_db()
        assert scheduled.body == "À demain"

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"message": " "}, "empty"),
            ({"send_at": "2020-01-01T00:00:00Z"}, "send_at_past"),
            ({"when": "at", "when_at": ""}, "send_at_invalid"),
        ],
    )
    def test_a_wrong_change_is_refused(self, page, awa, held_by_awa, clock, fields, code):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        response = post(page, f"scheduled/{scheduled.pk}/edit", **fields)
        assert (response.status_code, response.json()["code"]) == (422, code)

    def test_nobody_else_edits_it_and_a_supervisor_may_cancel(self, koffi, mariam, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        for user in (koffi, mariam):
            response = post(signed_in(user), f"scheduled/{scheduled.pk}/edit", message="Non")
            assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        assert post(signed_in(koffi), f"scheduled/{scheduled.pk}/cancel").status_code == 403
        assert post(signed_in(mariam), f"scheduled/{scheduled.pk}/cancel").json()["status"] == "cancelled"

    def test_who_does_not_hold_the_conversation_any_more_cannot_edit(
        self, page, awa, koffi, mariam, held_by_awa, clock
    ):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        held_by_awa.reassign(koffi, by=mariam, at=clock.now)
        assert post(page, f"scheduled/{scheduled.pk}/edit", message="Non").status_code == 403
        assert post(page, f"scheduled/{scheduled.pk}/cancel").json()["success"] is True

    def test_cancelled_it_never_leaves(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        for _time in range(2):
            assert post(page, f"scheduled/{scheduled.pk}/cancel").json()["status"] == "cancelled"
        assert leave(clock) == 0
        assert texts(held_by_awa) == []
        response = post(page, f"scheduled/{scheduled.pk}/edit", message="Non")
        assert (response.status_code, response.json()["code"]) == (409, "cancelled")

    def test_what_has_left_cannot_be_changed(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        leave(clock)
        for action in ("edit", "cancel"):
            response = post(page, f"scheduled/{scheduled.pk}/{action}", message="Non")
            assert (response.status_code, response.json()["code"]) == (409, "already_sent")

    def test_what_was_withheld_is_scheduled_again(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        leave(clock, hours=31)
        Conversation.objects.filter(pk=held_by_awa.pk).update(last_inbound_at=clock.now + 30 * HOUR)
        post(page, f"scheduled/{scheduled.pk}/edit", send_at=in_an_hour(32))
        leave(clock, hours=33)
        assert texts(held_by_awa) == ["À demain"]


class TestList:
    def test_an_agent_sees_his_own_and_a_supervisor_all(self, awa, koffi, mariam, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)

        def listed(user):
            response = signed_in(user).get("/dashboard/scheduled", HTTP_ACCEPT="application/json")
            return [each["scheduled_id"] for each in response.json()["results"]]

        assert (listed(awa), listed(koffi), listed(mariam)) == ([scheduled.pk], [], [scheduled.pk])

    def test_a_row_says_what_leaves_when_for_whom(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        [row] = page.get("/dashboard/scheduled", HTTP_ACCEPT="application/json").json()["results"]
        assert row["send_at"] == scheduled.send_at.isoformat()
        assert (row["message"], row["author"], row["status"]) == ("À demain", "Awa Diop", "scheduled")
        assert (row["client"], row["outside_window"]) == (held_by_awa.client_name, True)

    def test_the_page_works_without_scripts(self, page, awa, held_by_awa, clock):
        assert "Aucun message programmé" in page.get("/dashboard/scheduled").content.decode()
        scheduled = scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        content = page.get("/dashboard/scheduled").content.decode()
        assert "À demain" in content and "Programmer un modèle" in content
        response = page.post(f"/dashboard/scheduled/{scheduled.pk}/cancel", {"from": "list"}, follow=True)
        assert response.redirect_chain[0][0] == "/dashboard/scheduled"
        assert "est annulé" in response.content.decode()

    def test_what_was_withheld_stays_until_it_is_put_aside(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock, hours=30)
        leave(clock, hours=31)
        assert "WhatsApp ne prend plus" in page.get("/dashboard/scheduled").content.decode()
        scheduled.cancel(by=awa, at=clock.now)
        assert "Aucun message programmé" in page.get("/dashboard/scheduled").content.decode()


class TestPagesWithoutScripts:
    def test_the_dialog_is_a_page_that_schedules(self, page, held_by_awa):
        content = page.get(f"/dashboard/chat/{held_by_awa.pk}/schedule").content.decode()
        assert 'name="when"' in content and 'name="files"' in content
        fields = {"message": "À demain", "when": "tomorrow", "when_at": ""}
        response = page.post(f"/dashboard/chat/{held_by_awa.pk}/send", fields, follow=True)
        assert response.redirect_chain[0][0] == f"/dashboard/chat/{held_by_awa.pk}"
        assert "Message programmé" in response.content.decode()
        assert held_by_awa.scheduled_messages.get().body == "À demain"

    def test_a_refusal_shows_the_dialog_again_with_the_text(self, page, held_by_awa):
        fields = {"message": "À demain", "when": "at", "when_at": ""}
        response = page.post(f"/dashboard/chat/{held_by_awa.pk}/send", fields)
        assert response.status_code == 422
        content = response.content.decode()
        assert "Indiquez une date et une heure" in content and "À demain" in content
        assert texts(held_by_awa) == []

    @pytest.mark.parametrize(
        "fields", [{"when_at": ""}, {"when": "at"}, {"when": "now", "when_at": "demain"}]
    )
    def test_a_form_without_a_usable_time_never_sends_at_once(self, page, held_by_awa, fields):
        response = page.post(f"/dashboard/chat/{held_by_awa.pk}/send", {"message": "À demain"} | fields)
        assert response.status_code == 422
        assert texts(held_by_awa) == []

    def test_a_date_counts_though_now_is_still_chosen(self, page, held_by_awa):
        when_at = (timezone.localtime() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
        fields = {"message": "À demain", "when": "now", "when_at": when_at}
        page.post(f"/dashboard/chat/{held_by_awa.pk}/send", fields)
        assert held_by_awa.scheduled_messages.count() == 1

    def test_the_page_of_an_edit(self, page, awa, mariam, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        path = f"/dashboard/scheduled/{scheduled.pk}/edit"
        assert "À demain" in page.get(path).content.decode()
        assert "seul son auteur" in signed_in(mariam).get(path).content.decode()
        page.post(path, {"message": "À lundi", "when": "one-hour", "when_at": ""})
        scheduled.refresh_from_db()
        assert scheduled.body == "À lundi"

    def test_the_form_of_a_template_has_a_time(self, page, held_by_awa):
        path = f"/dashboard/chat/{held_by_awa.pk}/send-template"
        assert "Envoyer plus tard" in page.get(f"{path}?content_sid={TEMPLATE_SID}").content.decode()
        fields = {
            "content_sid": TEMPLATE_SID,
            "variables[1]": "Fatou",
            "variables[2]": "Clio",
            "when": "monday",
        }
        page.post(path, fields)
        assert held_by_awa.scheduled_messages.get().content_sid == TEMPLATE_SID
        page.post(path, fields | {"when": "now", "when_at": ""})
        assert texts(held_by_awa) == ["Bonjour Fatou, votre Clio est prête."]

    def test_the_chat_shows_what_will_leave(self, page, awa, held_by_awa, clock):
        scheduled = scheduled_by(awa, held_by_awa, clock=clock)
        path = f"/dashboard/chat/{held_by_awa.pk}"
        assert f'id="scheduled-{scheduled.pk}"' in page.get(path).content.decode()
        leave(clock)
        assert f'id="scheduled-{scheduled.pk}"' not in page.get(path).content.decode()


class TestTimeZones:
    def test_the_dialog_says_the_time_at_the_office_if_it_is_another(self, page, held_by_awa, settings):
        path = f"/dashboard/chat/{held_by_awa.pk}/schedule"
        page.cookies["relais_time_zone"] = settings.TIME_ZONE
        assert "au bureau" not in page.get(path).content.decode()
        page.cookies["relais_time_zone"] = "Asia/Tokyo"
        in_an_hour = timezone.localtime(timezone.now() + HOUR, timezone.get_default_timezone())
        assert f"({in_an_hour:%H:%M} au bureau)" in page.get(path).content.decode()

    def at(self, choice, local, zone, now="2026-03-01T12:00:00+00:00"):
        with timezone.override(zone):
            return parse_form_time(choice, local, at=datetime.fromisoformat(now))

    def test_a_local_time_is_that_of_the_reader(self):
        assert self.at("at", "2026-07-01T09:00", "Europe/Paris") == datetime(2026, 7, 1, 7, tzinfo=UTC)
        assert self.at("at", "2026-07-01T09:00", "Africa/Abidjan") == datetime(2026, 7, 1, 9, tzinfo=UTC)

    def test_tomorrow_at_nine_is_nine_by_the_clock_after_the_change(self):
        before = "2026-03-28T12:00:00+00:00"
        assert self.at("tomorrow", "", "Europe/Paris", before) == datetime(2026, 3, 29, 7, tzinfo=UTC)

    def test_an_hour_that_the_clocks_skip_is_refused(self):
        from relais.action_errors import InvalidField

        with pytest.raises(InvalidField, match="n'existe pas") as refusal:
            self.at("at", "2026-03-29T02:30", "Europe/Paris")
        assert refusal.value.code == "send_at_invalid"

    def test_an_hour_that_comes_twice_is_the_first(self):
        assert self.at("at", "2026-10-25T02:30", "Europe/Paris") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


class TestRetention:
    def test_finished_ones_are_forgotten_after_a_month_and_others_stay(self, awa, held_by_awa, clock):
        sent, cancelled, later = (
            scheduled_by(awa, held_by_awa, f"{hours}", clock=clock, hours=hours) for hours in (1, 2, 2000)
        )
        leave(clock, hours=1)
        cancelled.cancel(by=awa, at=clock.now)
        assert delete_finished(ScheduledMessage.objects.all(), at=clock.now + timedelta(days=29)) == 0
        delete_finished(ScheduledMessage.objects.all(), at=clock.now + timedelta(days=32))
        assert [each.pk for each in ScheduledMessage.objects.all()] == [later.pk]
        assert texts(held_by_awa) == ["1"]


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_lets_it_leave(awa, held_by_awa, clock):
    scheduled = [scheduled_by(awa, held_by_awa, f"message {n}", clock=clock) for n in range(10)]
    barrier = Barrier(2)

    def run():
        barrier.wait()
        try:
            return leave(clock)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        counts = [future.result() for future in [pool.submit(run) for _ in range(2)]]
    assert sum(counts) == len(scheduled)
    assert sorted(texts(held_by_awa)) == sorted(each.body for each in scheduled)
