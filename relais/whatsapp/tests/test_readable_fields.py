"""Whatever a client sends, part of it is visible in the bubble and in the list, and none of it is treated as HTML."""

import html
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relais.conversations import fragments
from relais.conversations.inbound import ingest
from relais.conversations.models import Conversation, ConversationEvent
from relais.text import has_visible_characters
from relais.whatsapp.inbound.message_parser import parse_message
from relais.whatsapp.inbound.params import clean_params
from relais.whatsapp.inbound.readable_fields import (
    MAX_FIELDS,
    MAX_LABEL_CHARACTERS,
    MAX_VALUE_CHARACTERS,
    readable_content,
)
from tests.cast import Clock

from .conftest import message_params

FORM = {
    "screen_0_Prénom_0": "Awa",
    "screen_0_Ville_1": "1_Abidjan",
    "rendez_vous": {"jour": "samedi", "heures": [9, 10]},
    "newsletter": True,
    "flow_token": "secret-of-the-form",
}
INVISIBLE = "\u3164\u200e\u2800\u00ad"


def fields(**params):
    cleaned = clean_params({name: [value] for name, value in params.items()})
    content = readable_content(
        cleaned, has_text=has_visible_characters(cleaned.text("Body")), has_media=False
    )
    return [tuple(field) for field in content.get("fields", ())]


# -- parsing ----------------------------------------------------------------------------------------


def test_the_answers_to_a_form_keep_their_order():
    assert fields(FlowData=json.dumps(FORM), MessageType="interactive") == [
        ("Prénom", "Awa"),
        ("Ville", "Abidjan"),
        ("Jour", "samedi"),
        ("Heures", "9, 10"),
        ("Newsletter", "✓"),
    ]


def test_a_form_reply_inside_interactive_data():
    answer = {"type": "nfm_reply", "nfm_reply": {"response_json": json.dumps({"nom": "Awa"}), "body": "Sent"}}
    assert ("Nom", "Awa") in fields(InteractiveData=json.dumps(answer))


def test_an_advertisement_is_shown_beside_the_text():
    assert fields(Body="Bonjour", ReferralHeadline="Classe E", ReferralSourceUrl="https://fb.me/x") == [
        ("ad_title", "Classe E"),
        ("ad_link", "https://fb.me/x"),
    ]


def test_a_location_without_coordinates():
    assert fields(Label="Garage du port", Address="Quai 3") == [
        ("place", "Garage du port"),
        ("address", "Quai 3"),
    ]


def test_an_unknown_parameter():
    order = {"catalog": "7", "items": [{"name": "Filtre", "quantity": 2}, {"name": "Huile"}]}
    assert fields(Order=json.dumps(order), GiftCard="50 €", SmsStatus="received", NewSid="XX1") == [
        ("Catalog", "7"),
        ("Name", "Filtre"),
        ("Quantity", "2"),
        ("Name", "Huile"),
        ("Gift Card", "50 €"),
    ]


@pytest.mark.parametrize("broken", ['{"a": ', "[" * 5000, "null", '"', "{}", "[[]]", '{"": ""}'])
def test_invalid_json_is_harmless(broken):
    assert len(fields(FlowData=broken)) <= 1


def test_what_postgres_cannot_store_is_removed_from_json():
    answers = r'{"pr\u0000énom": "A\u0000wa\ud800"}'
    assert fields(FlowData=answers) == [("Prénom", "Awa?")]


def test_fields_are_bounded():
    many = {f"question {n} " + "x" * 500: "y" * 5000 for n in range(500)}
    all_fields = fields(FlowData=json.dumps(many))
    assert len(all_fields) == MAX_FIELDS
    assert max(len(label) for label, _value in all_fields) <= MAX_LABEL_CHARACTERS
    assert max(len(value) for _label, value in all_fields) <= MAX_VALUE_CHARACTERS
    deep: object = "bottom"
    for _ in range(300):
        deep = {"a": deep}
    assert fields(FlowData=json.dumps(deep)) == []


def test_an_ordinary_text_message_has_no_readable_fields():
    cleaned = clean_params({name: [value] for name, value in message_params("Bonjour").items()})
    assert "content" not in parse_message(cleaned, bot_here=True).metadata


# -- display ----------------------------------------------------------------------------------------


def shown(params, clock):
    """Bubble and row of a message with these parameters, as text, and the event."""
    cleaned = clean_params({name: [value] for name, value in (message_params("") | params).items()})
    message = parse_message(cleaned, bot_here=False)
    received = ingest([message], at=clock.passes(seconds=1))[message.sid]
    event = ConversationEvent.objects.get(pk=received.event_id)
    bubble = fragments.message(event).split('<div class="bubble">')[1].split('<p class="bubble__foot">')[0]
    row = fragments.row(Conversation.objects.get(pk=received.conversation_id))
    row_text = row.split('<p class="row__preview">')[1].split("</p>")[0]
    return bubble, row_text, event


def visible_text(markup):
    """What a reader sees: without tags and drawings."""
    return html.unescape(re.sub(r"<svg.*?</svg>|<[^>]*>", "", markup, flags=re.DOTALL))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"FlowData": json.dumps(FORM), "MessageType": "interactive"}, "Awa"),
        ({"ReferralHeadline": "Classe E"}, "Classe E"),
        ({"MessageType": "unsupported"}, "Message qui ne peut pas être affiché ici"),
        ({"MessageType": "reaction"}, "Message qui ne peut pas être affiché ici (réaction)"),
        ({"MessageType": "order"}, "(commande)"),
        ({"MessageType": "brand_new"}, "(brand_new)"),
        ({"MessageType": "image", "NumMedia": "1"}, "(photo)"),
        ({"NumMedia": "1"}, "(pièce jointe sans adresse)"),
        ({"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x"}, "Document"),
        ({"Body": INVISIBLE}, "Message qui ne peut pas être affiché ici"),
        ({"Label": "Garage du port"}, "Garage du port"),
        ({"Reaction": "👍", "MessageType": "reaction"}, "👍"),
        ({}, "Message qui ne peut pas être affiché ici"),
    ],
)
def test_bubble_and_row_name_the_kind_of_message(clock, params, expected):
    bubble, row_text, _event = shown(params, clock)
    assert expected in visible_text(bubble)
    assert expected in visible_text(row_text)


@pytest.mark.django_db
def test_the_bot_gets_the_text_unchanged_and_raw_parameters_are_stored(clock):
    raw = json.dumps(FORM)
    _bubble, _said, event = shown({"Body": INVISIBLE, "FlowData": raw, "ProfileName": "\u3164"}, clock)
    assert event.body == INVISIBLE
    assert event.metadata["parameters"]["FlowData"] == raw
    assert event.metadata["parameters"]["ProfileName"] == "\u3164"


@pytest.mark.django_db
def test_fields_are_escaped(clock):
    attack = '<img src=x onerror="alert(1)">'
    bubble, row_text, _event = shown({"FlowData": json.dumps({attack: attack}), "MessageType": attack}, clock)
    for markup in (bubble, row_text):
        assert "<img src=x" not in markup
        assert "onerror" in visible_text(markup)


NAMES = st.sampled_from(
    "Body ProfileName MessageType NumMedia MediaUrl0 MediaContentType0 FlowData InteractiveData ReferralBody "
    "ReferralHeadline ReferralSourceUrl Latitude Longitude Label Address ListTitle ButtonText ButtonPayload Order "
    "Contacts Reaction NewIn2027 OptOutType ExternalUserId".split()
)
TEXTS = st.text(max_size=30) | st.text(alphabet=INVISIBLE + " \u0301\ufe0f\U000e0041", max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
).map(json.dumps)


@pytest.mark.django_db
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.dictionaries(NAMES, TEXTS | JSON, max_size=6))
def test_whatever_arrives_bubble_and_row_are_never_empty(db, params):
    bubble, row_text, event = shown(params, Clock())
    assert has_visible_characters(visible_text(bubble)), event.metadata
    assert has_visible_characters(visible_text(row_text)), event.metadata
    row_of_client = fragments.row(event.conversation)
    name = visible_text(re.search(r'class="row__open"[^>]*>(.*?)</a>', row_of_client, re.DOTALL)[1])
    assert has_visible_characters(name)
