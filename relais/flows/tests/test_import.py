"""`relais flow import`: SIDs of flows and sub-flows, refused files, and the flow that answers clients."""

import json

import pytest

from relais.flows.engine.tests.harness import flow_of, say
from relais.flows.import_export import CannotImport, import_file
from relais.flows.models import Flow
from relais.flows.tests.builders import bot_runs
from tests.cast import messages_to_client

pytestmark = pytest.mark.django_db

SID, OTHER_SID = "FW" + "1" * 32, "FW" + "2" * 32
BELOW = flow_of(say("c", "[{{trigger.parent.parameters.o}}]"))
PARENT = flow_of(
    (
        "sub",
        "run-subflow",
        {"flow_sid": SID, "parameters": [{"key": "o", "value": "7"}]},
        {"completed": None, "failed": "f"},
    ),
    say("f", "sub-flow failed"),
)


@pytest.fixture
def file(tmp_path):
    def written(definition, name="flow.json"):
        path = tmp_path / name
        path.write_text(definition if isinstance(definition, str) else json.dumps(definition))
        return str(path)

    return written


@pytest.fixture
def imports(clock):
    def run_import(path, **options):
        defaults = {"name": "", "publish": False, "answers": False, "at": clock.now}
        return import_file(path, **defaults | options)

    return run_import


def by_request(definition):
    definition = json.loads(json.dumps(definition))
    definition["states"][0]["transitions"] = [{"event": "incomingRequest", "next": "a"}]
    return definition


def api_answer(definition, sid=SID, name="Dessous"):
    return {"sid": sid, "friendly_name": name, "status": "published", "definition": definition}


def test_a_sub_flow_imported_with_its_parent_is_found(file, imports, fatou_writes, clock):
    parent, subflow = imports(
        file(PARENT, "dessus.json"), answers=True, subflows=[(SID, file(BELOW, "dessous.json"))]
    )
    assert (parent.flow.name, subflow.flow.name, subflow.flow.sid) == ("dessus", "dessous", SID)
    assert subflow.published_at and not subflow.flow.answers
    assert parent.missing_subflows() == []
    conversation = fatou_writes("bonjour")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == ["[7]"]


def test_a_sub_flow_imported_by_itself_takes_its_sid_from_the_command(file, imports):
    [parent] = imports(file(PARENT), publish=True)
    assert parent.missing_subflows() == [SID]
    [subflow] = imports(file(BELOW, "dessous.json"), sid=SID)
    assert parent.missing_subflows() == [SID], "a draft is run by nobody"
    subflow.publish(at=subflow.created_at)
    assert parent.missing_subflows() == []


def test_a_response_of_twilios_api_keeps_its_sid_and_name(file, imports):
    [subflow] = imports(file(api_answer(BELOW), "a.json"))
    assert (subflow.flow.sid, subflow.flow.name, subflow.definition) == (SID, "Dessous", BELOW)
    [again] = imports(file(api_answer(json.dumps(BELOW), name="Renommé"), "b.json"))
    assert (again.flow, again.number) == (subflow.flow, 2), "the same flow, whatever it is called since"
    [mapped] = imports(file(api_answer(BELOW), "c.json"), name="copie", sid=OTHER_SID)
    assert mapped.flow.sid == OTHER_SID


def test_an_existing_flow_gets_the_sid_of_the_command(file, imports):
    [first] = imports(file(BELOW, "dessous.json"))
    assert first.flow.sid != SID
    [second] = imports(file(BELOW, "dessous.json"), sid=SID)
    assert (second.flow, Flow.objects.get().sid) == (first.flow, SID)


def test_a_placeholder_is_not_used_as_sid(file, imports):
    [subflow] = imports(file(api_answer(BELOW, sid="FW…"), "a.json"))
    assert subflow.flow.sid.startswith("FW") and len(subflow.flow.sid) == 34


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "autre", "sid": SID}, "“dessous” has the SID"),
        ({"name": "x" * 81}, "80 characters"),
        ({"subflows": [(OTHER_SID, "dessous.json")]}, "does not run the flow " + OTHER_SID),
        ({"subflows": [(SID, "nulle part.json")]}, "no file nulle part.json"),
    ],
)
def test_an_invalid_import_is_one_sentence_and_stores_nothing(file, imports, options, message):
    imports(file(BELOW, "dessous.json"), sid=SID)
    with pytest.raises(CannotImport, match=message):
        imports(file(PARENT, "dessus.json"), **options)
    assert Flow.objects.count() == 1 and Flow.objects.get().revisions.count() == 1


@pytest.mark.parametrize("text", ["\udc00", "\x00"])
def test_an_unstorable_definition_is_one_sentence(file, imports, text):
    with pytest.raises(CannotImport, match="cannot be stored"):
        imports(file(flow_of(say("a", text))))


def test_a_flow_that_no_message_starts_does_not_answer(file, imports):
    definition = by_request(flow_of(say("a", "hi")))
    with pytest.raises(CannotImport, match="no message starts it"):
        imports(file(definition), answers=True)
    assert not Flow.objects.exists()
    [draft] = imports(file(definition), publish=True)
    assert draft.published_at, "it may be kept"


def test_the_flow_that_answers_is_not_replaced_by_one_that_no_message_starts(file, imports):
    [good] = imports(file(flow_of(say("a", "hi")), "accueil.json"), answers=True)
    with pytest.raises(CannotImport, match="no message starts it"):
        imports(file(by_request(flow_of(say("a", "hi"))), "accueil.json"), publish=True)
    assert good.flow.published == good
    [draft] = imports(file(by_request(flow_of(say("a", "hi"))), "accueil.json"))
    assert draft.published_at is None


def test_a_flow_for_conversations_answers(file, imports, fatou_writes, clock):
    definition = flow_of(say("a", "Hi {{trigger.conversation.From}} {{trigger.conversation.Body}}"))
    definition["states"][0]["transitions"] = [{"event": "incomingConversationMessage", "next": "a"}]
    imports(file(definition), answers=True)
    conversation = fatou_writes("bonjour")
    bot_runs(conversation, clock)
    assert messages_to_client(conversation) == [f"Hi {conversation.address.address} bonjour"]
