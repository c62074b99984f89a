"""A client writes: the desk is called with everything WhatsApp sends, and tried again as its address asks."""

import pytest
import requests

from relais.emulator.connection_overrides import Overrides, split
from relais.emulator.testing import ACCOUNT, TOKEN, RunningDouble
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.desk import Desk


def test_the_desk_gets_the_whole_parameter_set(double: RunningDouble, desk: Desk) -> None:
    message = double.client_writes(FATOU, "Bonjour é😀", name="Fatou Diallo")
    [call] = desk.calls
    assert call.genuine
    assert call.params == {
        **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), message.sid),
        "AccountSid": ACCOUNT,
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


def test_an_empty_profile_name_is_sent_and_signed(double: RunningDouble, desk: Desk) -> None:
    double.client_writes(FATOU, "bonjour")
    assert desk.calls[0].params["ProfileName"] == ""
    assert desk.calls[0].genuine


def test_a_picture_comes_by_an_address_that_wants_credentials(double: RunningDouble, desk: Desk) -> None:
    message = double.client_writes(FATOU, "la voici", media=(b"\x89PNG rayure", "image/png", "rayure é.png"))
    params = desk.calls[0].params
    assert message.sid.startswith("MM")
    assert (params["NumMedia"], params["MediaContentType0"], params["MessageType"]) == (
        "1",
        "image/png",
        "image",
    )
    at_twilio = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/{message.sid}/Media/ME"
    assert params["MediaUrl0"].startswith(at_twilio)
    here = params["MediaUrl0"].replace("https://api.twilio.com", double.url)
    assert requests.get(here, timeout=5).status_code == 401
    answer = requests.get(here, auth=(ACCOUNT, TOKEN), timeout=5)
    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG rayure", "image/png")
    assert answer.headers["content-disposition"] == (
        "inline; filename=\"rayure e.png\"; filename*=UTF-8''rayure%20%C3%A9.png"
    )
    assert requests.get(here + ".json", auth=(ACCOUNT, TOKEN), timeout=5).json()["parent_sid"] == message.sid


def test_more_parameters_can_be_added(double: RunningDouble, desk: Desk) -> None:
    double.client_writes(
        FATOU, "Oui", extra={"ButtonPayload": "oui", "ButtonText": "Oui", "MessageType": "button"}
    )
    assert desk.calls[0].params["ButtonPayload"] == "oui"
    assert desk.calls[0].params["MessageType"] == "button"
    assert desk.calls[0].genuine


def test_what_a_client_writes_stays_in_order(double: RunningDouble, desk: Desk) -> None:
    desk.answers = [503]
    for number in range(5):
        double.client_writes(FATOU, f"n° {number}", wait=False)
    double.wait_until_idle()
    taken = [call.params["Body"] for call in desk.calls][1:]
    assert taken == [f"n° {number}" for number in range(5)]


def test_a_failing_desk_is_tried_again_with_the_same_token(double: RunningDouble, desk: Desk) -> None:
    desk.answers = [503, 500]
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["503", "500", "200"]
    assert len({call.token for call in desk.calls}) == 1
    assert all(call.genuine for call in desk.calls)
    assert message.handed_over is True


def test_two_messages_have_two_tokens(double: RunningDouble, desk: Desk) -> None:
    double.client_writes(FATOU, "un")
    double.client_writes(FATOU, "deux")
    assert len({call.token for call in desk.calls}) == 2


def test_after_three_more_tries_the_message_is_not_handed_over(double: RunningDouble, desk: Desk) -> None:
    desk.answers = [503] * 9
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["503"] * 4
    assert message.handed_over is False


def test_without_a_fragment_a_5xx_is_final(double: RunningDouble, desk: Desk) -> None:
    double.settings.senders[COMPANY] = f"{desk.url}/message"
    desk.answers = [503]
    assert double.client_writes(FATOU, "bonjour").attempts == ["503"]


def test_a_4xx_is_final_unless_asked_for(double: RunningDouble, desk: Desk) -> None:
    desk.answers = [403]
    assert double.client_writes(FATOU, "un").attempts == ["403"]
    double.settings.senders[COMPANY] = f"{desk.url}/message#rc=1&rp=4xx"
    desk.answers = [403]
    assert double.client_writes(FATOU, "deux").attempts == ["403", "200"]


def test_a_desk_that_is_not_there_is_tried_once_more_by_default(double: RunningDouble) -> None:
    double.settings.senders[COMPANY] = "http://127.0.0.1:1/message"
    message = double.client_writes(FATOU, "bonjour")
    assert message.attempts == ["ct", "ct"]
    assert message.handed_over is False


def test_the_public_address_is_signed_though_another_is_called(double: RunningDouble, desk: Desk) -> None:
    desk.public = "https://relais.example.com"
    double.settings.reach = {desk.public: desk.url}
    double.settings.senders[COMPANY] = f"{desk.public}/message"
    double.client_writes(FATOU, "bonjour")
    assert desk.calls[0].genuine


def test_a_number_without_a_webhook_only_fills_the_log(double: RunningDouble, desk: Desk) -> None:
    double.settings.senders[COMPANY] = None
    assert double.client_writes(FATOU, "bonjour").handed_over is True
    assert desk.calls == []
    assert [each.body for each in double.sdk().messages.list(to=COMPANY)] == ["bonjour"]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", Overrides()),
        ("#rc=3&rp=5xx,ct,rt", Overrides(retries=3, policy=frozenset({"5xx", "ct", "rt"}))),
        ("#rp=all", Overrides(policy=frozenset({"4xx", "5xx", "ct", "rt"}))),
        ("#ct=50&rt=99999&tt=2000&rc=9", Overrides(connect=100, read=15000, total=2000, retries=5)),
        ("#rc=x&rp=maybe", Overrides(policy=frozenset())),
    ],
)
def test_a_fragment_is_read_within_its_limits(fragment: str, expected: Overrides) -> None:
    assert split("https://desk.example/hook?a=1" + fragment) == ("https://desk.example/hook?a=1", expected)
