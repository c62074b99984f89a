"""Liquid in a flow: what is rendered, what is warned of, and what cannot be made large."""

import time
from datetime import UTC, datetime

import pytest

from relais.flows.engine import limits, templates
from relais.flows.engine.tests.stage import Stage, flow_of, render, say

DATA = {
    "name": "Awa",
    "n": 3,
    "yes": True,
    "none": None,
    "empty": {"limit": 5},
    "list": [1, None, "a"],
    "map": {"k": [{"a": None}], "é": "à"},
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{flow.data.name}} {{ flow.data.name | downcase }}", "Awa awa"),
        ("{{flow.data.nowhere.at.all}}{{nothing}}{{flow.data.list[9]}}", ""),
        ("{{flow.data.none}}|{{flow.data.yes}}", "|true"),
        ("{{flow.data.list}}", '[1,null,"a"]'),
        ("{{flow.data.map}}", '{"k":[{"a":null}],"é":"à"}'),
        (
            "{{flow.data.map | to_json}} {{flow.data.name | to_json}} {{x | to_json}}",
            '{"k":[{"a":null}],"é":"à"} "Awa" null',
        ),
        (
            "{{flow.data.list.size}}{{flow.data.list | size}}{{flow.data.list[0]}}{{flow.data.list.first}}",
            "3311",
        ),
        ("{{flow.sid}} {{flow.flow_sid}}", "FN1 FW1"),
        (
            "{{flow.channel.address}} {{contact.channel.address | remove: 'whatsapp:'}}",
            "whatsapp:+14155238886 +212600000001",
        ),
        ("{% if flow.data.n > 2 %}many{% else %}few{% endif %}", "many"),
        ("{% case flow.data.name %}{% when 'Awa' %}A{% else %}B{% endcase %}", "A"),
        ("{% for i in flow.data.list %}{{forloop.index0}}{{i}} {% endfor %}", "01 1 2a "),
        ("{% assign x = flow.data.n | plus: 1 %}{{x}}{% comment %}no{% endcomment %}", "4"),
        ("{{ flow.data.\n name }}", "Awa"),
        (
            "{{ 'a b' | url_encode }} {{ x | default: 'nobody' }} {{ '1' | plus: 0 | minus: 1 }}",
            "a+b nobody 0",
        ),
        ("{{ now }}{{ today }}", ""),
        (
            "{{flow.data.empty.limit}}.limit {{ 'x.limit' }}{% if flow.data.empty.limit == 5 %}!{% endif %}",
            "5.limit x.limit!",
        ),
    ],
)
def test_what_is_rendered(source, text):
    assert render(source, variables=DATA) == (text, [])


@pytest.mark.parametrize(
    "source",
    [
        "{{ flow.data.name",
        "{{ 1 + 1 }}",
        "{{ flow.data.name | shout }}",
        "{% nope %}",
        "{% if %}",
        "{% include 'x' %}",
        "{{ 1 | divided_by: 0 }}",
        "{% for i in (1..16) %}{{i}}{% endfor %}",
    ],
)
def test_a_template_that_goes_wrong_is_empty_and_warned_of(source):
    text, warnings = render(source)
    assert text == "" or text is None
    assert "template" in warnings[0]


def test_a_wrong_template_costs_its_own_property_only():
    stage = Stage(flow_of(say("show", "Bonjour", None, media_url="{{ oops"))).starts()
    assert stage.texts == ["Bonjour"]
    assert stage.state["warnings"] == 1


def test_names_with_hyphens_are_names():
    stage = Stage(
        flow_of(
            ("new-name", "send-and-wait-for-reply", {"body": "?"}, {"incomingMessage": "tell"}),
            say("tell", "{{widgets.new-name.inbound.Body}}"),
        )
    )
    assert stage.starts().hears("Ana").texts == ["Ana"]


@pytest.mark.parametrize(
    ("zone", "text"),
    [("America/Los_Angeles", "15/06 05:00"), ("Africa/Casablanca", "15/06 13:00"), ("UTC", "15/06 12:00")],
)
def test_now_is_the_time_of_the_step_in_the_zone_of_the_flow(zone, text):
    assert render('{{ "now" | date: "%d/%m %H:%M" }}', zone=zone) == (text, [])


def test_a_zone_that_does_not_exist_costs_only_what_tells_the_time():
    assert render("{{flow.sid}}", zone="Mars/Olympus") == ("FN1", [])
    assert "Mars" in render('{{ "now" | date: "%H" }}', zone="Mars/Olympus")[1][0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{{ "2025-01-02" | date: "%-d.%-m.%y" }}', "2.1.25"),
        ('{{ "2025-01-02T10:00:00Z" | date: "%H" }}', "10"),
        ('{{ 1735732800 | date: "%Y-%m-%d %H" }}', "2025-01-01 04"),
        ('{{ "1735732800" | date: "%s %L %%s" }}', "1735732800 000 %s"),
        ('{{ "10:30" | date: "%d %H:%M" }}', "15 10:30"),
        ('{{ "soon" | date: "%H" }}', "soon"),
        ('{{ x | date: "%H" }}', ""),
    ],
)
def test_dates(source, text):
    assert render(source) == (text, [])


def test_no_filter_reads_the_clock():
    long_ago = datetime(2001, 2, 3, tzinfo=UTC)
    text = templates.render(
        '{{ "now" | date: "%Y" }}{{ "12:00" | date: "%Y" }}', {}, now=long_ago, zone="UTC"
    )
    assert text == "20012001"


def test_a_text_of_more_than_16_kb_ends_the_execution():
    body = "é" * (limits.RENDERED_BYTES // 4)
    for source in (body * 3, "{{flow.data.body}}{{flow.data.body}}{{flow.data.body}}"):
        stage = Stage(
            flow_of(("set", "set-variables", {"variables": [{"key": "a", "value": source}]}, {"next": None}))
        )
        stage.context = stage.context.__class__("FN1", "FW1", "a", "b", data={"body": body})
        stage.starts()
        assert stage.ended == "text_too_long"
        assert "16 KB" in stage.warnings[0]


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..100000000) | join: ',' }}",
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% assign x = 9 %}"
        + "{% for i in (1..15) %}{% assign x = x | times: x %}{% endfor %}" * 4
        + "{{x}}",
        "{% assign x = 'ab' %}"
        + "{% for i in (1..15) %}{% assign x = x | append: x %}{% endfor %}" * 4
        + "{{x}}",
        "{{ flow.data.text | replace: 'a', flow.data.text | replace: 'a', flow.data.text }}",
        "{{ flow.data.text | replace: '', flow.data.text | size }}",
        "{% for a in (1..15) %}{% for b in (1..15) %}{% for c in (1..15) %}{% for d in (1..15) %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ " + "(" * 5000,
        "{% if a %}" * 500,
    ],
)
def test_a_short_template_cannot_take_long_or_much(source):
    began = time.monotonic()
    text, warnings = render(source, variables={"text": "a" * 1600})
    assert not text and warnings
    assert time.monotonic() - began < 0.5


def test_python_is_out_of_reach():
    assert render(
        "{{ flow.data.name.__class__ }}{{ flow.data.map.keys }}{{ flow.__init__ }}", variables=DATA
    ) == ("", [])
