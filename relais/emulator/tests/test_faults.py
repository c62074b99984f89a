"""Each fault, as the desk feels it."""

import time

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from relais.emulator.faults import BadRule, Faults, Rule
from relais.emulator.testing import RunningDouble, running_double
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.desk import Desk


def say(double: RunningDouble, desk: Desk, text: str = "Bonjour", timeout: float = 5) -> str:
    message = double.sdk(timeout).messages.create(
        to=FATOU, from_=COMPANY, body=text, status_callback=f"{desk.url}/status?ref=r1"
    )
    return str(message.sid)


def test_too_many_requests_says_when_to_come_back(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "429", times=1, retry_after=2)
    with pytest.raises(TwilioRestException) as refusal:
        say(double, desk)
    assert (refusal.value.status, refusal.value.code) == (429, 20429)
    assert double.accepted() == []
    assert say(double, desk)


def test_retry_after_is_a_header(double: RunningDouble) -> None:
    double.fault("list", "429", retry_after=2)
    url = f"{double.url}/2010-04-01/Accounts/{double.settings.account_sid}/Messages.json"
    answer = requests.get(url, auth=(double.settings.account_sid, double.settings.auth_token), timeout=5)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


def test_a_server_error_before_anything_is_done(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "5xx", times=1, status="502")
    with pytest.raises(TwilioRestException) as refusal:
        say(double, desk)
    assert refusal.value.status == 502
    assert double.accepted() == []


def test_a_server_error_although_the_message_was_taken(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "5xx_accepted", times=1)
    with pytest.raises(TwilioRestException):
        say(double, desk)
    double.wait_until_idle()
    assert len(double.accepted(ref="r1")) == 1
    assert desk.statuses() == ["sent", "delivered"]


def test_an_answer_that_never_comes_though_the_message_goes_out(
    double: RunningDouble, desk: Desk, fatou: str
) -> None:
    double.fault("create", "no_answer", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        say(double, desk)
    double.wait_until_idle()
    assert [each.body for each in double.accepted()] == ["Bonjour"]
    assert desk.statuses() == ["sent", "delivered"]


def test_an_answer_the_caller_waits_for_in_vain(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "no_answer", times=1, close=False)
    with pytest.raises(requests.exceptions.ReadTimeout):
        say(double, desk, timeout=0.2)
    assert len(double.accepted()) == 1
    assert double.requests("create") == 1


def test_a_call_that_is_lost_before_it_is_taken(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "dropped", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        say(double, desk)
    assert double.accepted() == []


def test_callbacks_overtake_a_late_answer(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "late_answer", times=1, ms=300)
    say(double, desk)
    assert desk.statuses() == ["sent", "delivered"]


def test_latency_is_felt(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "latency", times=1, ms=150)
    began = time.monotonic()
    say(double, desk)
    assert time.monotonic() - began >= 0.15


def test_a_refusal_at_once(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "reject", code=21610)
    with pytest.raises(TwilioRestException) as refusal:
        say(double, desk)
    assert (refusal.value.status, refusal.value.code) == (400, 21610)


@pytest.mark.parametrize(("code", "status"), [(63016, "undelivered"), (63024, "failed")])
def test_an_error_that_comes_later(
    double: RunningDouble, desk: Desk, fatou: str, code: int, status: str
) -> None:
    double.fault("create", "error", code=code, status=status, times=1)
    sid = say(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == [status]
    assert desk.calls[0].params["ErrorCode"] == str(code)
    assert double.sdk().messages(sid).fetch().error_code == code


def test_twilio_away_refuses_connections_and_keeps_what_it_took(
    double: RunningDouble, desk: Desk, fatou: str
) -> None:
    say(double, desk, "avant")
    with double.away(), pytest.raises(requests.exceptions.ConnectionError):
        say(double, desk, "pendant")
    say(double, desk, "après")
    assert [each.body for each in double.accepted()] == ["avant", "après"]


def test_statuses_never_come(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("status", "never", match={"status": "delivered"})
    say(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["sent"]
    assert double.seen_by(fatou) == ["Bonjour"]


def test_statuses_come_twice(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("status", "twice")
    say(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["sent", "sent", "delivered", "delivered"]


def test_a_late_status_is_overtaken(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("status", "late", match={"status": "sent"}, ms=150)
    say(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["delivered", "sent"]


def test_shuffled_statuses_are_complete_and_never_in_order(
    double: RunningDouble, desk: Desk, fatou: str
) -> None:
    double.settings.read_after_ms = 1
    double.fault("status", "shuffled")
    say(double, desk)
    double.wait_until_idle()
    assert sorted(desk.statuses()) == ["delivered", "read", "sent"]
    assert desk.statuses() != ["sent", "delivered", "read"]


def test_a_read_after_shuffled_statuses_is_still_told(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("status", "shuffled")
    say(double, desk)
    double.wait_until_idle()
    double.client_reads(fatou)
    double.wait_until_idle()
    assert desk.statuses() == ["delivered", "sent", "read"]


def test_an_inbound_message_is_delivered_again(double: RunningDouble, desk: Desk) -> None:
    double.fault("inbound", "redelivery", copies=2, times=1)
    message = double.client_writes(FATOU, "bonjour")
    double.wait_until_idle()
    assert [call.params["MessageSid"] for call in desk.calls] == [message.sid] * 3
    assert len({call.token for call in desk.calls}) == 1


def test_an_inbound_message_is_lost_but_stands_in_the_log(double: RunningDouble, desk: Desk) -> None:
    double.fault("inbound", "never", times=1)
    double.client_writes(FATOU, "perdu")
    assert desk.calls == []
    assert [each.body for each in double.sdk().messages.list(from_=FATOU)] == ["perdu"]


def test_the_list_may_lag(double: RunningDouble, desk: Desk, fatou: str) -> None:
    say(double, desk)
    double.fault("list", "lag", ms=60_000)
    assert double.sdk().messages.list(to=fatou) == []
    double.advance(61)
    assert len(double.sdk().messages.list(to=fatou)) == 1


def test_a_picture_may_lead_elsewhere(double: RunningDouble, desk: Desk) -> None:
    message = double.client_writes(FATOU, "", media=(b"x", "image/png", "a.png"))
    double.fault("media", "redirect", location=f"{desk.url}/brochure.pdf")
    here = message.media[0].url.replace("https://api.twilio.com", double.url)
    auth = (double.settings.account_sid, double.settings.auth_token)
    answer = requests.get(here, auth=auth, allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{desk.url}/brochure.pdf")


def test_a_rule_strikes_only_what_it_matches(double: RunningDouble, desk: Desk, fatou: str) -> None:
    double.fault("create", "5xx", match={"to": "whatsapp:+225"})
    double.fault("create", "5xx", match={"body": "secret"})
    assert say(double, desk)
    with pytest.raises(TwilioRestException):
        say(double, desk, "un secret")


def test_rules_can_be_given_from_the_start(desk: Desk) -> None:
    rules = [{"on": "create", "fault": "429", "times": 1}]
    with running_double(faults=rules) as double, pytest.raises(TwilioRestException):
        say(double, desk)


def test_the_same_seed_makes_the_same_choices() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults([Rule(on="create", fault="5xx", probability=0.5)], seed)
        return [bool(faults.strike("create", ["5xx"])) for _ in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 10 < sum(drawn(7)) < 40


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "fault": "fire"},
        {"on": "moon", "fault": "5xx"},
        {"on": "create", "fault": "error"},
        {"on": "create", "fault": "5xx", "match": {"colour": "red"}},
        {"on": "create", "fault": "5xx", "often": True},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(BadRule):
        Faults([rule])
