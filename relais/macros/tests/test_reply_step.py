"""A macro that sends a quick reply with its files: the form, the preview, the run, undoing it."""

from io import BytesIO

import pytest
from django.utils import timezone

from relais.choices import parse_choices
from relais.conversations.models import Media, MessageDelivery
from relais.files.models import store_file
from relais.files.tests import samples
from relais.files.uploads import OutgoingFile
from relais.macros.models import Macro
from relais.macros.step_rules import InvalidStep
from relais.macros.tests.conftest import CLOSE, TAG
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_starts_now")]
JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


@pytest.fixture
def create_reply(clock):
    def create(by, text="Voici, {prénom}", scope="mine"):
        stored = store_file(BytesIO(samples.PDF), content_type="application/pdf", at=timezone.now())
        files = [OutgoingFile(stored, "application/pdf", "devis.pdf")]
        target = parse_target(scope, by)
        return QuickReply.create(
            by=by, target=target, shortcut="devis", title="Devis", text=text, at=clock.now, files=files
        )

    return create


@pytest.fixture
def reply(create_reply, awa):
    return create_reply(awa)


@pytest.fixture
def page(client, awa):
    client.force_login(awa)
    return client


def sent(conversation):
    events = conversation.events.filter(event_type="agent_message").order_by("seq")
    return [(event.body, [media.filename for media in event.media.all()]) for event in events]


def path_of(conversation, macro, action=""):
    return f"/dashboard/chat/{conversation.pk}/macros/{macro.pk}{action}"


def step(reply, text=""):
    return {"type": "send", "text": text, "reply": reply.pk}


def test_the_text_and_the_files_of_the_reply_are_sent_once(page, create_macro, awa, held_by_awa, reply):
    macro = create_macro(awa, step(reply), TAG)
    shown = page.get(path_of(held_by_awa, macro), **JSON).json()["steps"][0]
    assert (shown["text"], shown["files"], shown["refused"]) == ("Voici, Fatou", ["devis.pdf"], None)
    assert "devis.pdf" in page.get(path_of(held_by_awa, macro)).content.decode()
    for _ in range(2):
        answer = page.post(path_of(held_by_awa, macro, "/run"), {"ref": "r"}, **JSON)
        assert answer.json()["done"] == [1, 2]
    assert sent(held_by_awa) == [("Voici, Fatou", []), ("", ["devis.pdf"])]


@pytest.mark.parametrize(
    ("reply_text", "step_text", "edited", "messages"),
    [
        ("Voici", "Bonjour {prénom}", None, [("Bonjour Fatou", []), ("", ["devis.pdf"])]),
        ("Voici", "", "Autrement", [("Autrement", []), ("", ["devis.pdf"])]),
        ("", "", None, [("", ["devis.pdf"])]),
        ("Voici", "", " ", [("", ["devis.pdf"])]),
    ],
)
def test_the_text_of_the_step_and_the_edited_one_come_first(
    page, create_macro, create_reply, awa, held_by_awa, reply_text, step_text, edited, messages
):
    macro = create_macro(awa, step(create_reply(awa, reply_text), step_text))
    fields = {} if edited is None else {"text-1": edited}
    assert page.post(path_of(held_by_awa, macro, "/run"), fields, **JSON).status_code == 200
    assert sent(held_by_awa) == messages


def test_a_reply_that_is_gone_refuses_the_step(page, create_macro, awa, held_by_awa, reply):
    macro = create_macro(awa, TAG, step(reply))
    reply.remove(by=awa)
    preview = page.get(path_of(held_by_awa, macro), **JSON).json()["steps"][1]
    assert preview["description"] == "Envoyer une réponse rapide qui n'existe plus"
    assert preview["refused"]["code"] == "reply"
    refused = page.post(path_of(held_by_awa, macro, "/run"), {"text-2": "Bonjour"}, **JSON)
    assert (refused.status_code, refused.json()["code"], refused.json()["done"]) == (422, "reply", [1])
    assert sent(held_by_awa) == []


def test_a_reply_that_its_author_does_not_see_is_refused(create_macro, create_reply, awa, koffi):
    foreign = create_reply(koffi)
    for pk in (foreign.pk, 0, 10**18):
        with pytest.raises(InvalidStep, match="réponse rapide"):
            create_macro(awa, {"type": "send", "text": "x", "reply": pk})


def test_the_form_offers_the_replies_with_files(page, create_macro, awa, reply):
    fields = {"title": "Devis", "shortcut": "d", "scope": "mine", "step": "1", "type-1": "send"}
    page.post("/dashboard/macros/new", fields | {"text-1": "", "reply-1": reply.pk})
    macro = Macro.objects.get()
    assert macro.steps == [step(reply)]
    shown = page.get(f"/dashboard/macros/{macro.pk}").content.decode()
    assert f'<option value="{reply.pk}" selected>' in shown
    page.post(f"/dashboard/macros/{macro.pk}", fields | {"text-1": "Sans fichier", "reply-1": ""})
    macro.refresh_from_db()
    assert macro.steps == [{"type": "send", "text": "Sans fichier"}]


def test_undoing_withdraws_the_text_and_the_files(page, create_macro, awa, held_by_awa, reply):
    awa.undo_seconds = 60
    awa.save()
    macro = create_macro(awa, step(reply), CLOSE)
    run = page.post(path_of(held_by_awa, macro, "/run"), {"ref": "r", "undo": "1"}, **JSON).json()["run"]
    path = f"/dashboard/chat/{held_by_awa.pk}/macro-runs/{run}/undo"
    assert page.post(path, **JSON).status_code == 200
    deliveries = MessageDelivery.objects.filter(event__event_type="agent_message")
    assert [each.reason for each in deliveries] == ["undone", "undone"]
    assert Media.objects.count() == 1


@pytest.fixture
def question(awa, clock):
    """A reply with choices."""
    choices = parse_choices("buttons", [{"title": "Oui"}, {"title": "Non"}])
    target = parse_target("mine", awa)
    return QuickReply.create(
        by=awa, target=target, shortcut="rdv", title="", text="{prénom} ?", at=clock.now, choices=choices
    )


def test_the_choices_of_the_reply_are_sent_once(page, create_macro, awa, held_by_awa, question):
    macro = create_macro(awa, step(question), TAG)
    shown = page.get(path_of(held_by_awa, macro), **JSON).json()["steps"][0]
    assert (shown["text"], shown["choices"], shown["refused"]) == ("Fatou ?", ["Oui", "Non"], None)
    assert "<bdi>Non</bdi>" in page.get(path_of(held_by_awa, macro)).content.decode()
    for _ in range(2):
        answer = page.post(path_of(held_by_awa, macro, "/run"), {"ref": "r"}, **JSON)
        assert answer.json()["done"] == [1, 2]
    event = held_by_awa.events.get(event_type="agent_message")
    assert (event.body, event.metadata["choices"]) == ("Fatou ?", question.choices)


def test_a_question_that_became_too_long_stops_the_macro(page, create_macro, awa, held_by_awa, question):
    macro = create_macro(awa, step(question))
    fields = {"ref": "r", "text-1": "x" * 1025}
    refused = page.post(path_of(held_by_awa, macro, "/run"), fields, **JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "choices_invalid")
    assert sent(held_by_awa) == []


def test_the_form_offers_the_replies_with_choices(page, question):
    shown = page.post("/dashboard/macros/new", {"command": "add:send"}).content.decode()
    assert f'<option value="{question.pk}"' in shown
