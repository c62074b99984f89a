"""A client writes: the desk is called with everything WhatsApp sends, and tried again as its address asks."""

import pytest
import requests

from relais.emulator.connection_overrides import ConnectionOverrides, parse_url
from relais.emulator.testing import ACCOUNT_SID, AUTH_TOKEN, RunningDouble
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.stub_desk import StubDesk


def test_the_desk_gets_all_parameters(double: RunningDouble, desk: StubDesk) -> None:
    message = double.client_writes(FATOU, "Bonjour é😀", name="Fatou Diallo")
    [call] = desk.calls
    assert call.has_valid_signature
    assert call.params == {
        **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), message.sid),
        "AccountSid": ACCOUNT_SID,
        "From": FATOU,
        "To": COMPANY,
        "Body": "Bonjour é😀",
        "NumMedia": "0",
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "ProfileName": "Fatou Diallo",
        "WaId": "212612345678",
        "SmsStatus": "received",
        "MessageType": "text",
        "ApiVersion": "2010-04-01",
        "ChannelMetadata": call.params["ChannelMetadata"],
    }
    assert message.handed_over is True


def test_an_empty_profile_name_is_sent_and_signed(double: RunningDouble, desk: StubDesk) -> None:
    double.client_writes(FATOU, "bonjour")
    assert desk.calls[0].params["ProfileName"] == ""
    assert desk.calls[0].has_valid_signature


def test_a_picture_has_a_url_that_requires_credentials(double: RunningDouble, desk: StubDesk) -> None:
    message = double.client_writes(FATOU, "la voici", media=(b"\x89PNG rayure", "image/png", "rayure é.png"))
    params = desk.calls[0].params
    assert message.sid.startswith("MM")
    assert (params["NumMedia"], params["MediaContentType0"], params["MessageType"]) == (
        "1",
        "image/png",
        "image",
    )
    at_twilio = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{message.sid}/Media/ME"
    assert params["MediaUrl0"].startswith(at_twilio)
    here = params["MediaUrl0"].replace("https://api.twilio.com", double.url)
    assert requests.get(here, timeout=30).status_code == 401
    response = requests.get(here, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30)
    assert (response.content, response.headers["content-type"]) == (b"\x89PNG rayure", "image/png")
    assert response.headers["content-disposition"] == (
        "inline; filename=\"rayure e.png\"; filename*=UTF-8''rayure%20%C3%A9.png"
    )
    assert (
        requests.get(here + ".json", auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30).json()["parent_sid"]
        == message.sid
    )


def test_more_parameters_can_be_added(double: RunningDouble, desk: StubDesk) -> None:
    double.client_writes(
        FATOU, "Oui", extra={"ButtonPayload": "oui", "ButtonText": "Oui", "MessageType": "button"}
    )
    assert desk.calls[0].params["ButtonPayload"] == "oui"
    assert desk.calls[0].params["MessageType"] == "button"
    assert desk.calls[0].has_valid_signature


def test_messages_of_a_client_stay_in_order(double: RunningDouble, desk: StubDesk) -> None:
    desk.answers = [503]
    for number in range(5):
        double.client_writes(FATOU, f"n° {number}", wait=False)
    double.wait_until_idle()
    taken = [call.params["Body"] for call in desk.calls][1:]
    assert taken == [f"n° {number}" for number in range(5)]


def test_a_failing_desk_is_retried_with_the_same_idempotency_token(
    double: RunningDouble, desk: StubDesk
) -> None:
    desk.answers = [503, 500]
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["503", "500", "200"]
    assert len({call.token for call in desk.calls}) == 1
    assert all(call.has_valid_signature for call in desk.calls)
    assert message.handed_over is True


def test_two_messages_have_two_tokens(double: RunningDouble, desk: StubDesk) -> None:
    double.client_writes(FATOU, "un")
    double.client_writes(FATOU, "deux")
    assert len({call.token for call in desk.calls}) == 2


def test_after_three_retries_the_message_is_not_delivered(double: RunningDouble, desk: StubDesk) -> None:
    desk.answers = [503] * 9
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["503"] * 4
    assert message.handed_over is False


def test_without_a_fragment_a_5xx_is_final(double: RunningDouble, desk: StubDesk) -> None:
    double.settings.senders[COMPANY] = f"{desk.url}/message"
    desk.answers = [503]
    assert double.client_writes(FATOU, "bonjour").attempts == ["503"]


def test_a_4xx_is_final_unless_the_policy_says_otherwise(double: RunningDouble, desk: StubDesk) -> None:
    desk.answers = [403]
    assert double.client_writes(FATOU, "un").attempts == ["403"]
    double.settings.senders[COMPANY] = f"{desk.url}/message#rc=1&rp=4xx"
    desk.answers = [403]
    assert double.client_writes(FATOU, "deux").attempts == ["403", "200"]


def test_a_failed_connection_is_retried_once_by_default(double: RunningDouble) -> None:
    double.settings.senders[COMPANY] = "http://127.0.0.1:1/message"
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["ct", "ct"]
    assert message.handed_over is False


def test_the_public_url_is_signed_although_another_is_called(double: RunningDouble, desk: StubDesk) -> None:
    desk.public = "https://relais.example.com"
    double.settings.reach = {desk.public: desk.url}
    double.settings.senders[COMPANY] = f"{desk.public}/message"
    double.client_writes(FATOU, "bonjour")
    assert desk.calls[0].has_valid_signature


def test_messages_to_a_number_without_a_webhook_are_only_logged(
    double: RunningDouble, desk: StubDesk
) -> None:
    double.settings.senders[COMPANY] = None
    assert double.client_writes(FATOU, "bonjour").handed_over is True
    assert desk.calls == []
    assert [each.body for each in double.sdk().messages.list(to=COMPANY)] == ["bonjour"]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", ConnectionOverrides()),
        ("#rc=3&rp=5xx,ct,rt", ConnectionOverrides(retries=3, policy=frozenset({"5xx", "ct", "rt"}))),
        ("#rp=all", ConnectionOverrides(policy=frozenset({"4xx", "5xx", "ct", "rt"}))),
        (
            "#ct=50&rt=99999&tt=2000&rc=9",
            ConnectionOverrides(connect_ms=100, read_ms=15000, total_ms=2000, retries=5),
        ),
        ("#rc=x&rp=maybe", ConnectionOverrides(policy=frozenset())),
    ],
)
def test_connection_overrides_are_parsed_within_their_limits(
    fragment: str, expected: ConnectionOverrides
) -> None:
    assert parse_url("https://desk.example/hook?a=1" + fragment) == (
        "https://desk.example/hook?a=1",
        expected,
    )
