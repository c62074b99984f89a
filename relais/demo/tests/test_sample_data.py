"""A new demo begins with twenty conversations; a switch removes them and nothing else."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count

from relais.accounts.demo import create_demo_users
from relais.clients.models import Client
from relais.conversations.models import (
    Conversation,
    ConversationEvent,
    Draft,
    Media,
    MessageDelivery,
)
from relais.conversations.states import Situation
from relais.conversations.tags import Tag
from relais.crm.duplicates import duplicates_of
from relais.demo.creation import create_sample_data
from relais.demo.models import SampleData
from relais.demo.removal import remove_sample_data
from relais.flows.default_flow import publish_first_flow
from relais.flows.models import Execution
from relais.notes.models import Note
from relais.whatsapp.media.files import media_path

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(clock_starts_now, clock, settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path
    publish_first_flow(at=clock.now)
    return {user.email.partition("@")[0]: user for user in create_demo_users()}


@pytest.fixture
def samples(demo, clock):
    assert create_sample_data(at=clock.now)
    return Conversation.objects.all()


def _job_count():
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from procrastinate_jobs")
        return cursor.fetchone()[0]


def test_twenty_conversations_in_all_situations(samples, demo, clock):
    assert samples.count() == 20
    situations = [each.situation for each in samples]
    assert {each: situations.count(each) for each in Situation} == {
        Situation.HELD: 11,
        Situation.WAITING: 3,
        Situation.BOT: 3,
        Situation.ENDED: 3,
    }
    awa = demo["agent1"]
    mine = [each for each in samples if each.is_held_by(awa)]
    assert sum(each.is_unread for each in mine) >= 3
    assert [each for each in mine if each.is_snoozed]
    assert {each.status for each in samples} >= {"completed", "abandoned"}
    assert Draft.objects.filter(user=awa).count() == 1
    assert Note.objects.filter(mentions__user=awa, mentions__read_at=None).count() == 1
    assert MessageDelivery.objects.filter(state="failed").count() == 1
    assert ConversationEvent.objects.filter(waiting_due=True).exists()
    assert samples.annotate(events_count=Count("events")).filter(events_count__gte=28).exists()
    assert Execution.objects.filter(ended_at=None, awaits_reply=True).count() == 3
    assert Client.objects.exclude(carte_vip="").exists()
    assert any(duplicates_of(each, demo["admin"]) for each in Client.objects.all())
    [picture] = Media.objects.all()
    assert media_path(picture).stat().st_size == picture.size
    closes_at = [each.window_closes_at() for each in mine]
    assert any(clock.now < each < clock.now + timedelta(hours=1) for each in closes_at)
    assert any(each < clock.now for each in closes_at)


def test_their_times_are_of_the_last_two_days_and_ids_grow_with_them(samples, clock):
    events = list(ConversationEvent.objects.order_by("id"))
    assert all(clock.now - timedelta(days=2) <= each.created_at <= clock.now for each in events)
    times = [each.created_at for each in events if each.event_type == "message_received"]
    assert times == sorted(times)


def test_nothing_is_queued_for_sending_and_no_job_is_left(samples):
    assert set(MessageDelivery.objects.values_list("state", flat=True)) == {"read", "delivered", "failed"}
    assert _job_count() == 0


def test_they_are_made_once(samples, clock):
    remove_sample_data(at=clock.now)
    assert not create_sample_data(at=clock.now)
    assert not samples.exists()


def test_a_desk_with_conversations_gets_none(demo, fatou_writes, clock):
    fatou_writes()
    assert not create_sample_data(at=clock.now)
    assert Conversation.objects.count() == 1


def test_removing_leaves_no_trace_of_them(samples, demo, clock):
    files = [media_path(each) for each in Media.objects.all()]
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
    removed = remove_sample_data(at=clock.now)
    assert (removed.conversations, removed.clients) == (20, 20)
    for model in (Conversation, ConversationEvent, MessageDelivery, Client, Note, Tag, Execution, Media):
        assert not model._base_manager.exists(), model
    assert all(isinstance(each, Path) for each in files)
    assert remove_sample_data(at=clock.now).conversations == 0


@pytest.mark.django_db(transaction=True)
def test_the_files_are_deleted_after_the_commit(samples, clock):
    [file] = [media_path(each) for each in Media.objects.all()]
    remove_sample_data(at=clock.now)
    assert not file.exists()


@pytest.mark.django_db(transaction=True)
def test_the_history_is_append_only_again_afterwards(samples, fatou_writes, clock):
    remove_sample_data(at=clock.now)
    fatou_writes()
    with pytest.raises(Exception, match="append-only"):
        ConversationEvent.objects.all().delete()


def test_conversations_of_visitors_stay(samples, demo, fatou_writes, clock):
    own = fatou_writes("Bonjour")
    ended = samples.filter(status="completed").first()
    second = fatou_writes("Me revoilà", address=ended.address.address, name="")
    second.change_tags(add=["Pièces"], by=demo["agent1"], at=clock.now)
    removed = remove_sample_data(at=clock.now)
    assert (removed.conversations, removed.clients) == (20, 19)
    assert set(Conversation.objects.values_list("pk", flat=True)) == {own.pk, second.pk}
    assert second.tag_names() == ["Pièces"]
    assert Client.objects.filter(pk=ended.client_id).exists()


def test_a_sample_client_merged_with_a_visitors_client_stays(samples, demo, fatou_writes, clock):
    from relais.conversations.client_merge import merge_clients

    own = fatou_writes("Bonjour")
    sample = samples.filter(status="abandoned").first()
    merge_clients(own.client_id, sample.client_id, at=clock.now, by=demo["admin"])
    removed = remove_sample_data(at=clock.now)
    assert (removed.conversations, removed.clients) == (20, 19)
    assert Conversation.objects.get() == own


def test_a_demo_that_becomes_live_loses_them(samples, settings):
    from relais.prepare import _remove_demo_contents

    _remove_demo_contents()
    assert not samples.exists()
    assert SampleData.objects.get().removed_at


# -- the page ------------------------------------------------------------------------------------------------


def test_an_admin_is_asked_and_empties_the_demo(samples, client, nadia, settings):
    settings.DEMO = True
    client.force_login(nadia)
    page = client.get("/dashboard/settings/demo").content.decode()
    assert "20 conversations" in page
    assert samples.count() == 20
    answer = client.post("/dashboard/settings/demo", headers={"accept": "application/json"})
    assert answer.json() == {"success": True, "conversations": 20, "clients": 20}
    assert not samples.exists()
    page = client.post("/dashboard/settings/demo", follow=True).content.decode()
    assert "déjà vide" in page


def test_only_admins_and_only_in_a_demo(samples, client, awa, nadia, settings):
    settings.DEMO = True
    client.force_login(awa)
    assert client.post("/dashboard/settings/demo").status_code == 403
    settings.DEMO = False
    client.force_login(nadia)
    assert client.post("/dashboard/settings/demo").status_code == 404
    assert samples.count() == 20
