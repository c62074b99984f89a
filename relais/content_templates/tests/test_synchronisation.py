"""Templates are stored, changed and marked as removed, and two at once do no harm."""

from datetime import timedelta

import pytest

from relais.content_templates.models import ContentTemplate, TemplateSync
from relais.content_templates.rendering import (
    TemplateNotApproved,
    TemplateUnknown,
    VariablesMissing,
    render_known_template,
    render_template,
)
from relais.content_templates.synchronisation import store_templates
from relais.content_templates.tests.conftest import READY_SID, REJECTED_SID, record

pytestmark = pytest.mark.django_db


def test_a_new_template_is_stored_with_all_that_is_known(clock):
    assert store_templates([record(status="rejected", reason="INVALID_FORMAT")], at=clock.now) == 1
    template = ContentTemplate.objects.get()
    assert (template.name, template.language, template.category, template.body) == (
        "vehicule_pret",
        "fr",
        "UTILITY",
        "Bonjour {{1}}, votre {{2}} est prête.",
    )
    assert (template.status, template.rejection_reason, template.variables) == (
        "rejected",
        "INVALID_FORMAT",
        ["1", "2"],
    )


def test_an_unchanged_template_keeps_its_date(ready, clock):
    store_templates([record()], at=clock.now + timedelta(hours=1))
    ready.refresh_from_db()
    assert ready.changed_at == clock.now


def test_a_changed_template_is_updated(ready, clock):
    later = clock.now + timedelta(hours=1)
    store_templates([record(status="paused")], at=later)
    ready.refresh_from_db()
    assert (ready.status, ready.changed_at) == ("paused", later)


def test_a_removed_template_is_kept_and_comes_back(ready, clock):
    store_templates([], at=clock.now)
    ready.refresh_from_db()
    assert ready.removed_at == clock.now and not ready.is_approved
    assert list(ContentTemplate.objects.listed()) == []
    store_templates([record()], at=clock.now)
    ready.refresh_from_db()
    assert ready.removed_at is None


def test_contents_that_relais_made_are_no_templates(clock):
    assert store_templates([record(name="relais_choices_1f")], at=clock.now) == 0


def test_text_that_postgresql_does_not_store_is_cleaned(clock):
    store_templates([record(name="a\x00b", body="c\x00{{1}}")], at=clock.now)
    assert ContentTemplate.objects.get().body == "c{{1}}"


@pytest.mark.parametrize("query", ["PRET", "pretê", "votre bonjour", READY_SID, "approuve"])
def test_a_search_finds_every_word_without_case_and_accents(ready, query):
    assert list(ContentTemplate.objects.listed().matching(query)) == [ready]
    assert list(ContentTemplate.objects.listed().matching(f"{query} absent")) == []


def test_a_failure_keeps_the_last_success(clock):
    store_templates([], at=clock.now)
    TemplateSync.record_failure("Twilio ne répond pas.", at=clock.now + timedelta(hours=1))
    sync = TemplateSync.current()
    assert (sync.succeeded_at, sync.error) == (clock.now, "Twilio ne répond pas.")
    store_templates([], at=clock.now + timedelta(hours=2))
    assert TemplateSync.current().error == ""


class TestRendering:
    def test_values_are_filled_on_one_line(self, ready):
        rendered = render_template(READY_SID, {"1": " Fatou\n Diallo ", "2": "Clio", "9": "x"})
        assert rendered.content.text == "Bonjour Fatou Diallo, votre Clio est prête."
        assert rendered.variables == {"1": "Fatou Diallo", "2": "Clio"}

    def test_missing_values_are_named(self, ready):
        with pytest.raises(VariablesMissing) as error:
            render_template(READY_SID, {"1": " ", "3": "x"})
        assert error.value.names == ["1", "2"]
        assert "{{1}}, {{2}}" in str(error.value)

    def test_an_unknown_or_removed_template(self, ready, clock):
        with pytest.raises(TemplateUnknown):
            render_template(REJECTED_SID, {})
        store_templates([], at=clock.now)
        with pytest.raises(TemplateUnknown):
            render_template(READY_SID, {"1": "a", "2": "b"})

    def test_only_an_approved_one_may_be_sent(self, ready, clock):
        store_templates([record(status="paused")], at=clock.now)
        with pytest.raises(TemplateNotApproved, match="suspendu"):
            render_template(READY_SID, {"1": "a", "2": "b"})

    def test_for_the_history_also_a_removed_one(self, ready, clock):
        store_templates([], at=clock.now)
        rendered = render_known_template(READY_SID, {"1": "Fatou"})
        assert rendered.content.text == "Bonjour Fatou, votre {{2}} est prête."
        assert rendered.variables == {"1": "Fatou"}
        assert render_known_template(REJECTED_SID, {}) is None
