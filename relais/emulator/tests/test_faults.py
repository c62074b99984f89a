"""Each fault, as the desk experiences it."""

import time

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from relais.emulator.faults import FaultRule, Faults, InvalidFaultRule
from relais.emulator.testing import RunningDouble, running_double
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.stub_desk import StubDesk


def send(double: RunningDouble, desk: StubDesk, text: str = "Bonjour", timeout: float = 30) -> str:
    message = double.sdk(timeout).messages.create(
        to=FATOU, from_=COMPANY, body=text, status_callback=f"{desk.url}/status?ref=r1"
    )
    return str(message.sid)


def test_too_many_requests_has_a_retry_after(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "429", times=1, retry_after=2)
    with pytest.raises(TwilioRestException) as refusal:
        send(double, desk)
    assert (refusal.value.status, refusal.value.code) == (429, 20429)
    assert double.accepted() == []
    assert send(double, desk)


def test_retry_after_is_a_header(double: RunningDouble) -> None:
    double.fault("list", "429", retry_after=2)
    url = f"{double.url}/2010-04-01/Accounts/{double.settings.account_sid}/Messages.json"
    response = requests.get(url, auth=(double.settings.account_sid, double.settings.auth_token), timeout=30)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")


def test_a_server_error_before_the_message_is_accepted(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.fault("create", "5xx", times=1, status="502")
    with pytest.raises(TwilioRestException) as refusal:
        send(double, desk)
    assert refusal.value.status == 502
    assert double.accepted() == []


def test_a_server_error_after_the_message_is_accepted(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.fault("create", "5xx_accepted", times=1)
    with pytest.raises(TwilioRestException):
        send(double, desk)
    double.wait_until_idle()
    assert len(double.accepted(ref="r1")) == 1
    assert desk.statuses() == ["sent", "delivered"]


def test_no_response_although_the_message_is_sent(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "no_answer", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        send(double, desk)
    double.wait_until_idle()
    assert [each.body for each in double.accepted()] == ["Bonjour"]
    assert desk.statuses() == ["sent", "delivered"]


def test_a_response_the_caller_waits_for_until_its_timeout(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.fault("create", "no_answer", times=1, close=False)
    with pytest.raises(requests.exceptions.ReadTimeout):
        send(double, desk, timeout=1)
    double.wait_for(double.accepted)
    assert len(double.accepted()) == 1
    assert double.requests("create") == 1


def test_a_call_is_lost_before_it_is_accepted(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "dropped", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        send(double, desk)
    assert double.accepted() == []


def test_callbacks_overtake_a_late_response(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "late_answer", times=1, ms=300)
    send(double, desk)
    assert desk.statuses() == ["sent", "delivered"]


def test_latency_delays_the_response(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "latency", times=1, ms=150)
    began = time.monotonic()
    send(double, desk)
    assert time.monotonic() - began >= 0.15


def test_a_rejection_at_once(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "reject", code=21610)
    with pytest.raises(TwilioRestException) as refusal:
        send(double, desk)
    assert (refusal.value.status, refusal.value.code) == (400, 21610)


@pytest.mark.parametrize(("code", "status"), [(63016, "undelivered"), (63024, "failed")])
def test_an_error_reported_later(
    double: RunningDouble, desk: StubDesk, fatou: str, code: int, status: str
) -> None:
    double.fault("create", "error", code=code, status=status, times=1)
    sid = send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == [status]
    assert desk.calls[0].params["ErrorCode"] == str(code)
    assert double.sdk().messages(sid).fetch().error_code == code


def test_an_unreachable_twilio_refuses_connections_and_keeps_its_messages(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    send(double, desk, "avant")
    with double.unreachable(), pytest.raises(requests.exceptions.ConnectionError):
        send(double, desk, "pendant")
    send(double, desk, "après")
    assert [each.body for each in double.accepted()] == ["avant", "après"]


def test_statuses_never_come(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("status", "never", match={"status": "delivered"})
    send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["sent"]
    assert double.texts_on_phone(fatou) == ["Bonjour"]


def test_statuses_come_twice(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("status", "twice")
    send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["sent", "sent", "delivered", "delivered"]


def test_a_late_status_is_overtaken(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("status", "late", match={"status": "sent"}, ms=150)
    send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["delivered", "sent"]


def test_shuffled_statuses_are_complete_and_never_in_order(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.settings.read_after_ms = 1
    double.fault("status", "shuffled")
    send(double, desk)
    double.wait_until_idle()
    assert sorted(desk.statuses()) == ["delivered", "read", "sent"]
    assert desk.statuses() != ["sent", "delivered", "read"]


def test_a_read_after_shuffled_statuses_is_still_posted(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.fault("status", "shuffled")
    send(double, desk)
    double.wait_until_idle()
    double.client_reads(fatou)
    double.wait_until_idle()
    assert desk.statuses() == ["delivered", "sent", "read"]


def test_an_inbound_message_is_delivered_again(double: RunningDouble, desk: StubDesk) -> None:
    double.fault("inbound", "redelivery", copies=2, times=1)
    message = double.client_writes(FATOU, "bonjour")
    double.wait_until_idle()
    assert [call.params["MessageSid"] for call in desk.calls] == [message.sid] * 3
    assert len({call.token for call in desk.calls}) == 1


def test_an_inbound_message_is_lost_but_is_in_the_log(double: RunningDouble, desk: StubDesk) -> None:
    double.fault("inbound", "never", times=1)
    double.client_writes(FATOU, "perdu")
    assert desk.calls == []
    assert [each.body for each in double.sdk().messages.list(from_=FATOU)] == ["perdu"]


def test_the_list_may_lag(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    send(double, desk)
    double.fault("list", "lag", ms=60_000)
    assert double.sdk().messages.list(to=fatou) == []
    double.advance(61)
    assert len(double.sdk().messages.list(to=fatou)) == 1


def test_a_picture_may_be_redirected(double: RunningDouble, desk: StubDesk) -> None:
    message = double.client_writes(FATOU, "", media=(b"x", "image/png", "a.png"))
    double.fault("media", "redirect", location=f"{desk.url}/brochure.pdf")
    here = message.media[0].url.replace("https://api.twilio.com", double.url)
    auth = (double.settings.account_sid, double.settings.auth_token)
    response = requests.get(here, auth=auth, allow_redirects=False, timeout=30)
    assert (response.status_code, response.headers["location"]) == (307, f"{desk.url}/brochure.pdf")


def test_a_rule_triggers_only_for_what_it_matches(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.fault("create", "5xx", match={"to": "whatsapp:+225"})
    double.fault("create", "5xx", match={"body": "secret"})
    assert send(double, desk)
    with pytest.raises(TwilioRestException):
        send(double, desk, "un secret")


def test_rules_can_be_given_from_the_start(desk: StubDesk) -> None:
    rules = [{"on": "create", "fault": "429", "times": 1}]
    with running_double(faults=rules) as double, pytest.raises(TwilioRestException):
        send(double, desk)


def test_the_same_seed_makes_the_same_choices() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults([FaultRule(on="create", fault="5xx", probability=0.5)], seed)
        return [bool(faults.trigger("create", ["5xx"])) for _ in range(50)]

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
def test_an_invalid_rule_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(InvalidFaultRule):
        Faults([rule])
