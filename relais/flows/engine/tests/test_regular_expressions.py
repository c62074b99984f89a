"""Java's regular expressions: matches, invalid patterns, and the time limit."""

import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relais.flows.engine.conditions import condition_holds
from relais.flows.engine.regular_expressions import InvalidPattern, MatchTimeout, pattern
from relais.flows.engine.tests.harness import FlowHarness, flow_of, say


@pytest.mark.parametrize(
    ("expression", "matching", "other"),
    [
        # lookaround
        (r"^(?=.*blocked)(?=.*Access Policy).*", "blocked by Access Policy", "let in"),
        (r"(?!x).*", "y", "x1"),
        (r".*(?<!\d)12(?!\d).*", "a12b", "a123"),
        (r".*(?<=n°)\d+", "n°12", "12"),
        # nested classes
        ("[0-9&&[^5]]{2}", "12", "15"),
        ("[a-z&&[^b]]+", "aXz", "abc"),
        ("[a-z&&[def]]", "e", "b"),
        ("[a-z&&[^m-p&&[^n]]]", "n", "m"),
        ("[^a-z&&[^b]]+", "b1", "a"),
        ("[a-d[m-p]]+", "ADmp", "e"),
        ("[&&a]", "a", "b"),
        (r"[\p{Alpha}&&[^aeiou]]+", "bcd", "bad"),
        (r"[\W_]+", "_!", "a"),
        (r"[^\W\d]+", "abc", "1"),
        ("[]a]+", "]a", "b"),
        ("[a-]+", "a-", "b"),
        (r"[\d-]+", "1-2", "a"),
        ("[à-ü]+", "ÀÜ", "a"),
        # quantifiers and groups
        ("a++b", "aab", "b"),
        ("(?>a+)b", "aab", "a"),
        ("a{2,3}+a", "aaaa", "aaa"),
        (".{0,1500}", "x" * 1500, "x" * 1501),
        ("a{,2}", "a{,2}", "aa"),
        (r"\{a\}", "{a}", "a"),
        (r"(\w)\1", "aa", "ab"),
        (r"(?<x>\d)-\k<x>", "1-1", "1-2"),
        ("(?:a|b)*?c", "abc", "d"),
        # flags
        ("(?i)oui|non", "OUI", "si"),
        ("(?-i)a", "a", "A"),
        ("(?u)é", "É", "e"),
        ("(?x) a b # c", "ab", "a b"),
        ("(?=s)s+", "ss", "ß"),
        # escapes
        (r"\p{Alpha}+", "Abc", "é"),
        (r"\P{Alpha}+", "12é", "a"),
        (r"\p{L}+", "Éa", "1"),
        (r"\P{L}+", "12", "a1"),
        (r"\p{IsLatin}+", "Aé", "я"),
        (r"\p{InGreek}+", "α", "a"),
        (r"\p{javaLetter}+", "aé", "1"),
        (r"\h*\d\h*", "\xa01\u2003", "a"),
        (r"\R", "\r\n", "a"),
        (r".*\bécole\b.*", "l'école !", "écoles"),
        (r"\Qa.b\E", "a.b", "axb"),
        (r"\x41\u0042\x{43}\0104", "ABCD", "ABCE"),
        # supported by RE2
        ("[1-5]", "3", "6"),
        (r"[\w.%+-]+@[\w.-]+\.[a-z]{2,}", "Awa.D@ex-a.ma", "awa@"),
        (r"[+-]?\d+(\.\d*)?", "-1.5", "a"),
    ],
)
def test_expressions_match_or_not(expression, matching, other):
    compiled = pattern(expression)
    assert compiled.matches(matching)
    assert not compiled.matches(other)


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        "a)",
        "[",
        "[a",
        "[a&&",
        "[&&]",
        "*a",
        "a**",
        "a(?",
        "(?U)a",
        "(?<1>a)",
        "[z-a]",
        "\\",
        r"\y",
        r"\x4",
    ]
    + [r"\p{Nope}", r"\2(a)", r"\k<x>", "((a{100}){100}){100}", "((a{100}){100}){100}(?=b)", "a{20000}"]
    + ["(a{1000}){11}(?=b)", "(?=a)" * 2000, "(" * 5000, "[" * 5000],
)
def test_an_unsupported_expression_is_invalid(expression):
    with pytest.raises(InvalidPattern, match="."):
        condition_holds("regex", "a", expression)


def test_re2_takes_linear_time():
    began = time.monotonic()
    assert not condition_holds("regex", "a" * 16_000 + "!", "(a+)+$")
    assert not condition_holds("regex", "a" * 16_000 + "!", "(a|a)*b|(a*)*c")
    assert time.monotonic() - began < 2


CATASTROPHES = [
    "(?=(a+)+b)a+",
    "(a|aa)+$(?<=b)",
    "(?=.*?.*?.*?.*?.*?.*?b).*",
    "(x+x+)+y(?!z)|(a+a+)+y",
    r"(?:(?:a*)*)*(?=b)",
    r"(a?){500}\1a{500}b",
]


@pytest.mark.parametrize("expression", CATASTROPHES)
def test_backtracking_times_out_and_blocks_no_other_thread(expression):
    ticks, over = [], threading.Event()

    def tick():
        while not over.wait(0.01):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    began = time.monotonic()
    try:
        assert not pattern(expression).matches("a" * 16_000 + "!")
    except MatchTimeout:
        assert len(ticks) > 2, "other threads go on"
    finally:
        over.set()
        ticking.join()
    assert time.monotonic() - began < 5


def test_a_flow_with_many_time_outs_of_expressions_ends():
    body = "{{trigger.message.Body}}"
    condition = {
        "type": "regex",
        "friendly_name": "",
        "arguments": [body],
        "value": "(a|aa)+$(?<=b)",
    }
    matches = [{"event": "match", "next": "m", "conditions": [condition]} for _each in range(50)]
    harness = FlowHarness(
        flow_of(
            ("s", "split-based-on", {"input": body}, [{"event": "noMatch"}, *matches]),
            say("m", "match"),
        )
    )
    began = time.monotonic()
    harness.starts("a" * 1600)
    assert harness.ended == "computation_too_long"
    assert "does not match" in harness.warnings[0]
    assert time.monotonic() - began < 20


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="ab1é.^$*+?()[]{}|\\&-<>=!:,dDwpPQEkxu0 \n", max_size=24))
def test_any_text_is_an_expression_or_invalid(expression):
    with suppress(InvalidPattern, MatchTimeout):
        pattern(expression).matches("ab1é")


SIMPLE = st.recursive(
    st.sampled_from(["a", "b", "1", ".", "[ab]", "[^a]", r"\d", r"\w"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(SIMPLE, st.text(alphabet="ab1", max_size=5))
def test_both_engines_agree(expression, text):
    linear, stopped = pattern(expression), pattern(f"(?={expression}$){expression}")
    assert (linear.has_timeout, stopped.has_timeout) == (False, True)
    assert linear.matches(text) == stopped.matches(text)


@pytest.mark.parametrize(
    ("expression", "message", "expected"),
    [
        ("^(?=.*blocked)(?=.*Access Policy).*", "blocked Access Policy", "yes"),
        ("^(?=.*blocked)(?=.*Access Policy).*", "Access", "no"),
        ("[0-9&&[^5]]{2}", "12", "yes"),
        ("[0-9&&[^5]]{2}", "15", "no"),
    ],
)
def test_a_split_by_expressions_of_real_flows(expression, message, expected):
    body = "{{trigger.message.Body}}"
    condition = {"type": "regex", "friendly_name": "x", "arguments": [body], "value": expression}
    on = [{"event": "noMatch", "next": "n"}, {"event": "match", "next": "y", "conditions": [condition]}]
    harness = FlowHarness(
        flow_of(("s", "split-based-on", {"input": body}, on), say("y", "yes"), say("n", "no"))
    )
    assert harness.starts(message).texts == [expected]
