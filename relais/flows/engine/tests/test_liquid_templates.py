"""Liquid templates: rendered texts, warnings, and the limits on size and computing."""

import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relais.flows.engine import ExecutionContext, limits, liquid_templates
from relais.flows.engine.tests.harness import NOON, FlowHarness, flow_of, render, say

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
def test_templates_render(source, text):
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
    ],
)
def test_a_failing_template_is_empty_with_a_warning(source):
    text, warnings = render(source)
    assert text == "" or text is None
    assert "template" in warnings[0]


def test_an_invalid_template_affects_only_its_property():
    harness = FlowHarness(flow_of(say("show", "Bonjour", None, media_url="{{ oops"))).starts()
    assert harness.texts == ["Bonjour"]
    assert harness.state["warnings"] == 1


def test_names_with_hyphens_are_names():
    harness = FlowHarness(
        flow_of(
            ("new-name", "send-and-wait-for-reply", {"body": "?"}, {"incomingMessage": "tell"}),
            say("tell", "{{widgets.new-name.inbound.Body}}"),
        )
    )
    assert harness.starts().receives("Ana").texts == ["Ana"]


@pytest.mark.parametrize(
    ("zone", "text"),
    [("America/Los_Angeles", "15/06 05:00"), ("Africa/Casablanca", "15/06 13:00"), ("UTC", "15/06 12:00")],
)
def test_now_is_the_time_of_the_step_in_the_zone_of_the_flow(zone, text):
    assert render('{{ "now" | date: "%d/%m %H:%M" }}', zone=zone) == (text, [])


def test_an_unknown_zone_affects_only_templates_that_read_the_time():
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
def test_dates_are_formatted(source, text):
    assert render(source) == (text, [])


def test_no_filter_reads_the_clock():
    long_ago = datetime(2001, 2, 3, tzinfo=UTC)
    text = liquid_templates.render(
        '{{ "now" | date: "%Y" }}{{ "12:00" | date: "%Y" }}', {}, now=long_ago, zone="UTC"
    )
    assert text == "20012001"


def test_a_text_of_more_than_16_kb_ends_the_execution():
    body = "é" * (limits.MAX_RENDERED_BYTES // 4)
    for source in (body * 3, "{{flow.data.body}}{{flow.data.body}}{{flow.data.body}}"):
        harness = FlowHarness(
            flow_of(("set", "set-variables", {"variables": [{"key": "a", "value": source}]}, {"next": None}))
        )
        harness.context = harness.context.__class__("FN1", "FW1", "a", "b", data={"body": body})
        harness.starts()
        assert harness.ended == "text_too_long"
        assert "16 KB" in harness.warnings[0]


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..100000000) | join: ',' }}",
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
def test_a_short_template_cannot_use_much_time_or_memory(source):
    began = time.thread_time()
    text, warnings = render(source, variables={"text": "a" * 1600})
    assert not text and warnings
    assert time.thread_time() - began < 0.5


FIFTEEN = "123456789101112131415"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for i in (1..15) %}{{i}}{% endfor %}", FIFTEEN),
        ("{% for i in (1..16) %}{{i}}{% endfor %}", FIFTEEN),
        (
            "{% for i in flow.data.sixteen %}{{i}}{% unless forloop.last %},{% endunless %}{% endfor %}",
            ",".join("0123456789") + ",10,11,12,13,14",
        ),
        ("{% for i in (1..10000000000) %}{{i}}{% endfor %}", FIFTEEN),
        (
            "{% for i in (1..10000000000) limit: 3 offset: 9000000000 %}{{i}} {% endfor %}",
            "9000000001 9000000002 9000000003 ",
        ),
        ("{% for i in (1..10000000000) reversed limit: 2 %}{{i}} {% endfor %}", "2 1 "),
        (
            "{% for i in (1..6) limit: 2 %}{{i}}{% endfor %}{% for i in (1..6) offset: continue %}{{i}}{% endfor %}",
            "123456",
        ),
        (
            "{% for i in flow.data.map %}{{i[0]}}{% endfor %}{% for i in 'ab' %}{{i}}{% else %}no{% endfor %}",
            "kab",
        ),
        ("{% for i in flow.data.none %}{{i}}{% else %}no{% endfor %}", "no"),
        ("{% for i in (1..2) %}{% for j in (1..16) %}{{j}}{% endfor %}{% endfor %}", FIFTEEN * 2),
    ],
)
def test_a_loop_ends_after_fifteen_rounds(source, text):
    rendered, warnings = render(source, variables={"sixteen": list(range(16)), "map": {"k": 1}})
    assert rendered == text
    longer = any(size in source for size in ("16", "sixteen", "..10000000000) %", "reversed limit: 20"))
    assert [warning[:6] for warning in warnings] == (["A loop"] if longer else [])


def test_a_table_ends_after_fifteen_cells():
    text, warnings = render("{% tablerow i in (1..10000000000) cols: 5 %}{{i}}{% endtablerow %}")
    assert (text.count("<td"), text.count("<tr")) == (15, 3)
    assert "15" in warnings[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ flow.data.quoted | plus: 1 }}", "2"),
        ("{{ 3 | minus: flow.data.quoted | times: flow.data.price }}", "3.0"),
        ("{{ flow.data.quoted }}", '"1"'),
        ("{{ flow.data.price | times: 2 }}", "3.0"),
        ("{{ 'no' | plus: 1 }}", "1"),
    ],
)
def test_a_number_in_quotes_counts_as_a_number(source, text):
    assert render(source, variables={"quoted": '"1"', "price": "'1.50'"}) == (text, [])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            """{{ flow.data.text | escape }}""",
            "&lt;a href=&quot;l&#39;x&quot;&gt; &amp;amp; &amp;eacute; &amp;",
        ),
        ("""{{ flow.data.text | escape_once }}""", "&lt;a href=&quot;l&#39;x&quot;&gt; &amp; &eacute; &amp;"),
    ],
)
def test_html_is_escaped_as_liquid_does(source, text):
    assert render(source, variables={"text": """<a href="l'x"> &amp; &eacute; &"""}) == (text, [])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if (1..10000000000) contains 5.5 %}yes{% endif %}", ""),
        ("{% if (1..10000000000) contains 'a' %}yes{% endif %}", ""),
        ("{% if (1..10000000000) contains 5.0 %}yes{% endif %}", "yes"),
        (
            "{% assign r = (1..10000000000) %}{% if r contains 5.5 %}yes{% endif %}{% if r contains 5 %}5{% endif %}",
            "5",
        ),
        (
            "{% unless (1..10000000000) contains 5.5 and 1 == 2 or (1..10000000000) contains 0.5 %}no{% endunless %}",
            "no",
        ),
        ("{{ (1..10000000000) | size }}", "10000000000"),
    ],
)
def test_contains_does_not_iterate_a_range(source, text):
    assert in_short(source) == (text, [])


LOOPS = "{% for i in (1..15) %}" * 3, "{% endfor %}" * 3
DOUBLED = "{% assign list = flow.data.list %}" + "{% assign list = list | concat: list %}" * 10
WHENS = "{% case 1 %}{% when " + "1," * 99 + "1 %}"
BOMBS = {
    "repeated whens": WHENS * 6 + "{% assign x = 1 %}" + "{% endcase %}" * 6,
    "joined references": DOUBLED + "{{ list | join: '' | size }}",
    "references as JSON": DOUBLED + "{{ list | to_json | size }}",
    "references as they are": DOUBLED + "{{ list }}",
    "sorted references": DOUBLED + "{{ list | sort_natural | size }}",
    "references as text": DOUBLED + "{{ list | upcase | size }}",
    "references looked at one by one": DOUBLED + "{{ list | uniq | size }}",
    "many compared with each other": "{{ flow.data.objects | uniq | size }}",
    "sorted in loops": "{% assign o = flow.data.objects %}"
    + LOOPS[0]
    + "{% assign x = o | sort: 'k' %}"
    + LOOPS[1],
    "tags stripped in loops": LOOPS[0] + "{% assign x = flow.data.tags | strip_html %}" + LOOPS[1],
    "addresses in loops": LOOPS[0] + "{% assign x = flow.data.text | url_encode | url_decode %}" + LOOPS[1],
    "dates in loops": LOOPS[0] + "{% assign x = '10:30 on 5 May 2026' | date: '%c%c%c%c' %}" * 20 + LOOPS[1],
    "long conditions in loops": LOOPS[0]
    + "{% if "
    + "1 == 1 and " * 60
    + "1 == 2 %}{% endif %}" * 1
    + LOOPS[1],
    "many conditions in loops": LOOPS[0] + "{% if 1 == 2 %}{% endif %}" * 500 + LOOPS[1],
    "many names in loops": LOOPS[0] + "".join(f"{{% assign n{n} = i %}}" for n in range(900)) + LOOPS[1],
    "lists looked through in loops": LOOPS[0]
    + "{% if flow.data.numbers contains 'x' %}{% endif %}" * 9
    + LOOPS[1],
    "lists compared in loops": LOOPS[0]
    + "{% if flow.data.numbers == flow.data.same %}{% endif %}" * 9
    + LOOPS[1],
    "a condition of many parts": "{% if " + "a == 1 or " * 3000 + "b %}{% endif %}",
    "captured in loops": LOOPS[0] + "{% capture x %}{{x}}{{x}}ab{% endcapture %}" + LOOPS[1],
    "a wide date": "{{ 'now' | date: flow.data.widths | size }}",
    "a large exponent": "{{ '1e308' | times: '1e308' | ceil }}{{ '1e999999999' | floor }}",
    "a range of large numbers": "{% for i in (flow.data.large..flow.data.larger) %}{{i}}{% endfor %}",
    "a long template": "{{ x }}" * 20_000,
}


MUCH = {
    "list": ["x" * 60_000],
    "objects": [{"k": {"a": [n % 7, n]}} for n in range(2_000)],
    "tags": "<a b='" * 9_000 + "&" * 900 + ">",
    "text": "é<" * 4_000,
    "numbers": list(range(30_000)),
    "same": list(range(30_000)),
    "widths": "%1000000000d%c" * 400,
    "large": "9" * 4_000,
    "larger": "9" * 4_001,
}


def in_short(source):
    """The text and warnings of a template with much data; it must take little time."""
    budget = liquid_templates.Budget(limits.MAX_TEMPLATE_OPERATIONS)
    began = time.thread_time()
    try:
        text = liquid_templates.render(source, {"flow": {"data": MUCH}}, now=NOON, zone="UTC", budget=budget)
    except (liquid_templates.InvalidTemplate, liquid_templates.RenderedTextTooLong) as error:
        text = f"a wrong template: {error}"
    assert time.thread_time() - began < 5
    return text, budget.warnings


@pytest.mark.parametrize("name", BOMBS)
def test_repetition_is_charged_to_the_budget(name):
    in_short(BOMBS[name])


@pytest.mark.parametrize("name", [name for name in BOMBS if "references" in name or "wide" in name])
def test_large_values_are_charged_to_the_budget(name):
    tracemalloc.start()
    try:
        in_short(BOMBS[name])
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * 1024 * 1024


@pytest.mark.parametrize(
    "name", ["repeated whens", "references as JSON", "many conditions in loops", "a long template"]
)
def test_a_template_over_its_budget_is_empty_with_a_warning(name):
    text, _warnings = in_short(BOMBS[name])
    assert text.startswith("a wrong template")


def test_many_expensive_templates_end_the_execution():
    heavy = BOMBS["many conditions in loops"]
    variables = [{"key": f"k{n}", "value": heavy} for n in range(200)]
    harness = FlowHarness(flow_of(("set", "set-variables", {"variables": variables}, {"next": None})))
    began = time.process_time()
    harness.starts()
    assert harness.ended == "computation_too_long"
    assert time.process_time() - began < 10


def test_a_usual_step_is_far_below_its_budget():
    body = "{% for i in flow.data.list %}{% if i %}{{forloop.index}}. {{i | strip | upcase}}\n{% endif %}{% endfor %}"
    variables = [{"key": f"k{n}", "value": body} for n in range(100)]
    context = ExecutionContext(
        "FN1", "FW1", "a", "b", data={"list": ["un", "deux", "trois", "quatre", "cinq"]}
    )
    harness = FlowHarness(
        flow_of(("set", "set-variables", {"variables": variables}, {"next": None})), context=context
    )
    assert harness.starts().ended == "completed"
    assert harness.warnings == []


VALUES = st.sampled_from(
    [
        "flow.data.list",
        "flow.data.objects",
        "flow.data.text",
        "flow.data.numbers",
        "x",
        "1",
        "'a'",
        "'1e99'",
        "(1..9999999999)",
    ]
)
FILTER_CALLS = st.builds(
    lambda name, arguments: f" | {name}" + (f": {', '.join(arguments)}" if arguments else ""),
    st.sampled_from(sorted(liquid_templates.FILTERS)),
    st.lists(VALUES, max_size=2),
)
EXPRESSIONS = st.builds(
    lambda value, calls: value + "".join(calls), VALUES, st.lists(FILTER_CALLS, max_size=4)
)
STATEMENTS = st.recursive(
    st.one_of(
        EXPRESSIONS.map(lambda e: f"{{{{ {e} }}}}"),
        EXPRESSIONS.map(lambda e: f"{{% assign x = {e} %}}"),
        st.tuples(VALUES, st.sampled_from(["contains", "==", "<"]), VALUES).map(
            lambda parts: f"{{% if {' '.join(parts)} %}}y{{% endif %}}"
        ),
    ),
    lambda inner: st.tuples(
        st.sampled_from(
            [
                ("{% for x in (1..9999999999) %}", "{% endfor %}"),
                ("{% for x in flow.data.objects reversed %}", "{% endfor %}"),
                ("{% tablerow x in flow.data.numbers %}", "{% endtablerow %}"),
                ("{% capture x %}", "{% endcapture %}"),
                (WHENS, "{% endcase %}"),
            ]
        ),
        st.lists(inner, min_size=1, max_size=3),
    ).map(lambda parts: parts[0][0] + "".join(parts[1]) + parts[0][1]),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STATEMENTS, min_size=1, max_size=3).map("".join))
def test_any_template_uses_little_time_and_memory(source):
    in_short(source)


def test_templates_cannot_reach_python_attributes():
    assert render(
        "{{ flow.data.name.__class__ }}{{ flow.data.map.keys }}{{ flow.__init__ }}", variables=DATA
    ) == ("", [])
