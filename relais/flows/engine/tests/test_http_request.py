"""make-http-request: the request, and the outputs of this and earlier responses."""

import pytest

from relais.flows.engine import MakeHttpRequest, RequestResult, waits_for_reply
from relais.flows.engine.tests.harness import FATOU, FlowHarness, flow_of, say


def test_the_request_waits_for_its_response():
    harness = FlowHarness("make-http-request").starts("bonjour")
    (call,) = harness.effects
    assert isinstance(call, MakeHttpRequest)
    assert call.params == (("From", FATOU), ("Body", "bonjour"))
    assert not waits_for_reply(harness.state)
    assert harness.receives("allô ?").effects == ()
    harness.responds({"status": "ok", "agent_mode": False}, content_type="application/json; charset=utf-8")
    assert harness.texts == ["ok/false/200"]


def test_parsed_merges_across_runs_and_stays_without_a_json_response():
    harness = FlowHarness("make-http-request").starts().responds({"status": "ok", "agent_mode": True})
    assert harness.receives("2").responds({"status": "new"}).texts == ["new/true/200"]
    assert harness.receives("3").responds(body="OK", status=202).texts == ["new/true/202"]
    assert harness.receives("4").responds([1, 2]).texts == ["new/true/200"]


def test_an_error_response_has_outputs_and_a_failed_request_has_none():
    assert FlowHarness("make-http-request").starts().responds({"status": "no"}, status=500).texts == [
        'Panne 500{"status": "no"}no'
    ]
    assert FlowHarness("make-http-request").starts().request_fails().texts == ["Panne "]
    stale = (
        FlowHarness("make-http-request")
        .starts()
        .responds({"status": "ok"})
        .receives("encore")
        .request_fails()
    )
    assert stale.texts == ["Panne "]


def test_a_response_over_64_kb_fails():
    assert FlowHarness("make-http-request").starts().responds(body="é" * 32_769).texts == ["Panne "]
    assert "//200" in FlowHarness("make-http-request").starts().responds(body="é" * 32_768).texts[0]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", '{"status": "ok"}'),
        ("application/problem+json", '{"status": "ok"}'),
        ("application/json", "{"),
        ("application/json", '["status"]'),
        ("application/json", '{"status": NaN}'),
        ("application/json", "[" * 60_000),
        ("", ""),
    ],
)
def test_only_a_json_object_is_parsed(content_type, body):
    harness = FlowHarness("make-http-request").starts().responds(body=body, content_type=content_type or "x")
    assert harness.texts == ["//200"]


def test_the_response_to_an_earlier_request_changes_nothing():
    harness = FlowHarness("make-http-request").starts().responds({}).receives("encore")
    assert harness.apply(RequestResult(2, 200, "application/json", '{"status": "late"}')).effects == ()


def request(**properties):
    to = {"success": None, "failed": "failed"}
    return FlowHarness(
        flow_of(("call", "make-http-request", properties, to), say("failed", "failed"))
    ).starts()


def test_parameters_go_into_the_query_or_the_body():
    parameters = [{"key": "a", "value": "1&2"}, {"key": "b", "value": ""}]
    get = request(method="GET", url="https://x.example/p?z=0#f", parameters=parameters).request.as_request()
    assert (get.method, get.url, get.body) == ("GET", "https://x.example/p?z=0&a=1%262&b=#f", "")
    form = request(
        method="POST", url="https://x.example/p", body="c=3", parameters=parameters
    ).request.as_request()
    assert (form.url, form.body) == ("https://x.example/p", "c=3&a=1%262&b=")
    json_type = "application/json;charset=utf-8"
    post = request(
        method="post",
        url="https://x.example/p",
        content_type=json_type,
        body='{"x": 1}',
        parameters=parameters,
    ).request.as_request()
    assert post.method == "POST"
    assert (post.url, post.body) == ("https://x.example/p?a=1%262&b=", '{"x": 1}')
    assert post.content_type == json_type


@pytest.mark.parametrize(
    "properties",
    [
        {"method": "GET", "url": "{{flow.data.nowhere}}"},
        {"method": "DELETE", "url": "https://x.example"},
        {"method": "GET", "url": "https://nottwilio.com/", "add_twilio_auth": True},
        {"method": "GET", "url": "https://twilio.com.example/", "add_twilio_auth": True},
        {"method": "GET", "url": "https://example.com/@twilio.com", "add_twilio_auth": True},
        {"method": "GET", "url": "https://twilio.com@example.com/", "add_twilio_auth": "true"},
        {"method": "GET", "url": "http://api.twilio.com/", "send_twilio_credentials": True},
        {"method": "GET", "url": "https://api.twilio.com:8443/", "add_twilio_auth": True},
        {"method": "GET", "url": "https://other-1234.twil.io/", "add_twilio_auth": True},
        {"method": "GET", "url": "https://[x", "add_twilio_auth": True},
    ],
)
def test_an_invalid_request_fails_without_being_sent(properties):
    harness = request(**properties)
    assert harness.texts == ["failed"]


def test_twilio_gets_its_credentials():
    url = "https://lookups.twilio.com/v2/PhoneNumbers/1"
    auth_request = request(method="GET", url=url, add_twilio_auth=True).request
    assert auth_request.as_request().authentication == "twilio_credentials"
    form = request(method="POST", url=url, send_twilio_credentials="true").request
    assert form.as_request().authentication == "twilio_credentials"
    json_ = request(method="POST", url=url, add_twilio_auth=True, content_type="application/json").request
    assert json_.as_request().authentication == "twilio_credentials"
    assert request(method="GET", url=url).request.as_request().authentication == ""


def test_a_repeated_key_is_sent_twice():
    parameters = [{"key": "tag", "value": "a"}, {"key": "x", "value": "1"}, {"key": "tag", "value": "b"}]
    get = request(method="GET", url="https://x.example/", parameters=parameters).request
    assert get.as_request().url == "https://x.example/?tag=a&x=1&tag=b"
    post = request(method="POST", url="https://x.example/", parameters=parameters).request
    assert post.as_request().body == "tag=a&x=1&tag=b"
