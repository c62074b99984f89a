"""The account's templates are read from the double's Content API, page by page, at start, hourly and on request."""

from datetime import timedelta

import pytest
from django.utils import timezone

from relais.content_templates.models import ContentTemplate, TemplateSync
from relais.emulator.dealer_templates import DEALER_TEMPLATES, text_content
from relais.whatsapp import tasks
from relais.whatsapp.content import template_sync
from tests.cast import FATOU

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/dashboard/templates/sync"
JSON = {"headers": {"accept": "application/json"}}


def sync():
    return template_sync.sync_templates(at=timezone.now(), sleep=lambda seconds: None)


def test_all_pages_are_stored(double, monkeypatch):
    monkeypatch.setattr(template_sync, "PAGE_SIZE", 4)
    double.add_dealer_templates()
    assert sync() == len(DEALER_TEMPLATES) == ContentTemplate.objects.count()
    paused = ContentTemplate.objects.get(name="relance_avis")
    assert (paused.status, paused.category) == ("paused", "MARKETING")
    assert ContentTemplate.objects.get(name="promo_flash").rejection_reason.startswith("INVALID_FORMAT")
    assert double.requests("content") == 4


def test_a_page_that_fails_is_asked_for_again(double):
    double.add_dealer_templates()
    double.fault("content", "5xx", times=1)
    assert sync() == len(DEALER_TEMPLATES)


def test_a_failure_changes_nothing_and_is_recorded(double):
    double.add_content(text_content("a", "b"))
    sync()
    double.fault("content", "5xx")
    with pytest.raises(template_sync.TemplatesNotRead):
        sync()
    assert ContentTemplate.objects.get().removed_at is None
    assert TemplateSync.current().error == template_sync.NOT_RESPONDING


def test_it_is_due_at_start_hourly_and_soon_after_a_failure(db):
    now = timezone.now()
    assert template_sync.is_due(started_at=now, at=now)
    TemplateSync.record_success(at=now)
    assert not template_sync.is_due(started_at=now, at=now + timedelta(minutes=59))
    assert template_sync.is_due(started_at=now, at=now + timedelta(hours=1))
    assert template_sync.is_due(started_at=now + timedelta(seconds=1), at=now + timedelta(seconds=2))
    TemplateSync.record_failure("x", at=now)
    assert not template_sync.is_due(started_at=now, at=now + timedelta(minutes=4))
    assert template_sync.is_due(started_at=now, at=now + timedelta(minutes=5))


def test_the_job_reads_once_an_hour(double):
    double.add_content(text_content("a", "b"))
    tasks.sync_templates(0)
    tasks.sync_templates(60)
    assert ContentTemplate.objects.count() == 1
    assert double.requests("content") == 1


def test_a_job_that_fails_raises_nothing(double, monkeypatch):
    monkeypatch.setattr(template_sync.client, "PAGE_RETRY_PAUSES_SECONDS", ())
    monkeypatch.setattr(template_sync, "sync_templates", _fail)
    tasks.sync_templates(0)


def _fail(*, at):
    raise template_sync.TemplatesNotRead


def test_an_administrator_reads_them_now(double, client, nadia):
    double.add_dealer_templates()
    client.force_login(nadia)
    assert client.post(PATH, **JSON).json() == {"success": True, "count": len(DEALER_TEMPLATES)}
    listed = client.get("/dashboard/templates", **JSON).json()["results"]
    assert len(listed) == len(DEALER_TEMPLATES)
    page = client.post(PATH, follow=True).content.decode()
    assert "14 modèles lus." in page


def test_a_failure_is_told_with_what_to_do(double, client, nadia):
    double.fault("content", "429", retry_after=60)
    client.force_login(nadia)
    response = client.post(PATH, **JSON)
    assert (response.status_code, response.json()["code"]) == (502, "twilio_unavailable")
    assert "Twilio ne répond pas" in client.post(PATH, follow=True).content.decode()


def test_others_may_not_and_it_is_a_post(double, client, awa, mariam, nadia):
    for user in (awa, mariam):
        client.force_login(user)
        assert client.post(PATH, **JSON).status_code == 403
    client.force_login(nadia)
    assert client.get(PATH).status_code == 405
    assert double.requests("content") == 0


def test_a_template_of_an_agent_reaches_the_phone_when_the_window_is_closed(double, sender, held_by_awa, awa):
    sid = double.add_content(text_content("pret", "Bonjour {{1}}, votre {{2}} est prête."))
    sync()
    values = {"1": "Fatou", "2": "Clio"}
    sent = held_by_awa.send_template_as_agent(sid, values, agent=awa, at=timezone.now())
    double.wait_for(lambda: "Bonjour Fatou, votre Clio est prête." in double.texts_on_phone(FATOU))
    double.wait_until_idle()
    sent.refresh_from_db()
    assert sent.state in ("sent", "delivered")
