"""Checks of the Twilio account: credentials, sender number, webhook configuration, assumptions."""

from dataclasses import replace

import pytest

from relais.ops.doctor import account, assumptions
from relais.ops.doctor.tests.conftest import SECRET, only_problem, states, with_environment
from relais.whatsapp import assumptions as twilio_assumptions
from relais.whatsapp import client

OURS = "https://desk.example/api/twilio/message#rc=3&rp=5xx,ct,rt"
FLOW = "FW" + "0" * 32


def test_credentials_are_checked_without_calling_twilio(context):
    [result] = account.check_credentials(context)
    assert result.state == "ok"
    assert "--live" in result.sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"twilio_auth_token": ""}, "TWILIO_AUTH_TOKEN missing"),
        ({"twilio_account_sid": "SK" + "0" * 32}, "API key"),
        ({"twilio_account_sid": "AC123"}, "TWILIO_ACCOUNT_SID does not look like one"),
        ({"twilio_auth_token": "a wrong one"}, "TWILIO_AUTH_TOKEN does not look like one"),
        ({"twilio_auth_token_secondary": "no"}, "TWILIO_AUTH_TOKEN_SECONDARY does not look like one"),
    ],
)
def test_malformed_credentials_are_reported(context, changes, sentence):
    problem = only_problem(account.check_credentials, with_environment(context, **changes))
    assert (problem.state, sentence in problem.sentence) == ("failed", True)


def test_twilio_is_not_called_without_live_checks(connected, double):
    quiet = replace(connected, live=False)
    assert states(account.check_credentials, quiet) == ["ok"]
    assert states(account.check_sender_number, quiet) == ["unverified"]
    assert states(account.check_webhooks, quiet) == ["unverified"]
    assert list(assumptions.check_assumptions(quiet)) == []
    assert not double.double.requests


def test_a_correct_account_with_number_and_webhook_is_ok(connected):
    for check in (account.check_credentials, account.check_sender_number, account.check_webhooks):
        assert states(check, connected) == ["ok"]


def test_a_token_that_twilio_rejects_is_reported(connected, settings):
    wrong = with_environment(connected, twilio_auth_token="f" * 32)
    settings.ENVIRONMENT = wrong.environment
    client.twilio.cache_clear()
    problem = only_problem(account.check_credentials, wrong)
    assert problem.state == "failed"
    assert "(401)" in problem.sentence
    assert only_problem(account.check_sender_number, wrong).state == "unverified"


def test_an_unreachable_twilio_is_reported(connected, double):
    with double.unreachable():
        problem = only_problem(account.check_credentials, connected)
        number = only_problem(account.check_sender_number, connected)
    assert (problem.state, number.state) == ("failed", "failed")
    assert "does not answer" in problem.sentence


@pytest.mark.parametrize(("status", "code"), [("429", 429), ("5xx", 503)])
def test_a_twilio_that_limits_or_fails_calls_is_reported(connected, double, status, code):
    double.fault("account", status)
    assert "does not answer" in only_problem(account.check_credentials, connected).sentence


@pytest.mark.parametrize(
    ("text", "state", "sentence"),
    [
        ('{"status": "suspended"}', "failed", "the account is suspended"),
        ('{"status": "active", "type": "Trial"}', "warning", "one for trials"),
        ("<html>", "failed", "the account is unknown"),
        ("[]", "failed", "the account is unknown"),
    ],
)
def test_an_inactive_or_trial_account_is_reported(connected, monkeypatch, text, state, sentence):
    answer = type("Answer", (), {"status_code": 200, "text": text})
    monkeypatch.setattr(account.http_probe, "fetch_account", lambda context: answer)
    problem = only_problem(account.check_credentials, connected)
    assert (problem.state, sentence in problem.sentence) == (state, True)


def test_a_number_that_is_no_sender_is_reported(connected):
    problem = only_problem(
        account.check_sender_number, with_environment(connected, whatsapp_number="whatsapp:+33100000000")
    )
    assert problem.state == "failed"
    assert "no WhatsApp sender" in problem.sentence


def test_the_sandbox_number_is_unverified(connected):
    sandbox = with_environment(connected, whatsapp_number=account.DEMO_NUMBER)
    assert only_problem(account.check_sender_number, sandbox).state == "unverified"
    assert only_problem(account.check_webhooks, sandbox).state == "unverified"


def test_an_offline_sender_is_reported(connected, monkeypatch):
    sender = type("Sender", (), {"status": "OFFLINE", "offline_reasons": [{"message": "banned"}]})
    monkeypatch.setattr(account, "_fetch_sender", lambda context: sender)
    problem = only_problem(account.check_sender_number, connected)
    assert "is OFFLINE (banned)" in problem.sentence


@pytest.mark.parametrize(
    ("webhook", "state", "sentence"),
    [
        ({"callback_url": OURS}, "ok", "calls us"),
        ({"callback_url": OURS.partition("#")[0]}, "warning", "does not try again"),
        ({"callback_url": OURS.replace("5xx,", "")}, "warning", "does not try again"),
        (
            {"callback_url": OURS.replace("desk", "other")},
            "failed",
            "https://other.example/api/twilio/message",
        ),
        ({"callback_url": OURS, "callback_method": "GET"}, "failed", "GET"),
        ({"callback_url": ""}, "failed", "calls nobody"),
        ({}, "failed", "calls nobody"),
    ],
)
def test_the_webhook_of_the_sender_is_checked(context, webhook, state, sentence):
    [result] = account.check_webhook_configuration(webhook, context.environment)
    assert (result.state, sentence in result.sentence) == (state, True)
    assert result.state == "ok" or OURS in result.advice


def test_with_the_bot_in_studio_the_sender_calls_the_flow_and_our_status_callback(context):
    environment = with_environment(context, bot="studio", studio_flow_sid=FLOW).environment
    webhook = {
        "callback_url": f"https://webhooks.twilio.com/v1/Accounts/AC/Flows/{FLOW}",
        "status_callback_url": "https://desk.example/api/twilio/status#rc=3",
    }
    assert [each.state for each in account.check_studio_configuration(webhook, environment)] == ["ok"]
    [not_the_flow, no_status_callback] = account.check_studio_configuration(
        {"callback_url": OURS}, environment
    )
    assert "not the flow" in not_the_flow.sentence
    assert "statuses to nobody" in no_status_callback.sentence


def test_the_flow_must_call_us_with_our_secret(context):
    environment = with_environment(context, studio_flow_sid=FLOW).environment

    def check_flow_calling(host):
        return account.check_flow_definition(
            {"states": [{"properties": {"url": f"https://{host}/x"}}]}, environment
        )

    assert check_flow_calling(f"studio:{SECRET}@desk.example").state == "ok"
    assert "never names" in check_flow_calling("other.example").sentence
    wrong = check_flow_calling("studio:old@desk.example")
    assert wrong.state == "failed"
    assert SECRET not in wrong.sentence + wrong.advice


def test_a_flow_that_twilio_does_not_show_is_unverified(connected):
    studio = with_environment(connected, bot="studio", studio_flow_sid=FLOW)
    [*_, flow] = account.check_webhooks(studio)
    assert (flow.state, FLOW in flow.sentence) == ("unverified", True)
    [*_, unset] = account.check_webhooks(with_environment(studio, studio_flow_sid=""))
    assert "STUDIO_FLOW_SID is not set" in unset.sentence


def test_every_assumption_has_a_docstring():
    """Those that are tried tell what came of it; the others' sentence is printed."""
    named = {name for name in vars(twilio_assumptions) if name.isupper()}
    documented_assumptions = assumptions.documented_assumptions()
    assert set(documented_assumptions) == named
    assert [name for name in named - set(assumptions.TESTS) if not documented_assumptions[name]] == []
    assert set(assumptions.TESTS) <= named


def test_an_assumption_without_a_test_is_unverified(connected):
    results = list(assumptions.check_assumptions(connected))
    assert {each.state for each in results} == {"unverified"}
    assert any(each.sentence.startswith("STUDIO_SIGNS_ITS_HTTP_WIDGET: ") for each in results)


def test_the_statuses_and_the_order_of_the_log_are_tested(connected, double, monkeypatch):
    for text in ("bonjour", "vous êtes là ?"):
        double.client_writes("+212600000001", text, wait=False)
    tried = [
        each
        for each in assumptions.check_assumptions(connected)
        if each.sentence.partition(":")[0] in assumptions.TESTS
    ]
    assert [each.state for each in tried] == ["ok"] * len(assumptions.TESTS)
    monkeypatch.setattr(assumptions, "OTHER_STATUSES", set())
    assert any(
        "statuses that we do not know: received" in each.sentence
        for each in assumptions.check_assumptions(connected)
    )


def test_a_log_not_ordered_newest_first_is_reported(clock):
    def sent(at):
        return client.TwilioMessage("SM", "inbound", "", "", "", "sent", None, at, at)

    earlier, later = sent(clock.now), sent(clock.passes(minutes=5))
    assert assumptions._test_order([later, earlier]).state == "ok"
    assert assumptions._test_order([earlier, later]).state == "warning"
    assert assumptions._test_order([earlier]).state == "unverified"


def test_an_unreadable_log_leaves_all_assumptions_unverified(connected, double):
    double.fault("list", "429")
    results = list(assumptions.check_assumptions(connected))
    assert {each.state for each in results} == {"unverified"}
    assert any("cannot be read" in each.sentence for each in results)
