"""Twilio's own client meets the double."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from relais.emulator.testing import ACCOUNT_SID, AUTH_TOKEN, RunningDouble
from relais.emulator.tests.conftest import COMPANY, FATOU

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"


def send(double: RunningDouble, text: str, to: str = FATOU, **more: object) -> str:
    return str(double.sdk().messages.create(to=to, from_=COMPANY, body=text, **more).sid)


def test_a_created_message_has_all_fields(double: RunningDouble, fatou: str) -> None:
    response = requests.post(
        double.url + MESSAGES,
        data={"To": fatou, "From": COMPANY, "Body": "Bonjour é😀"},
        auth=(ACCOUNT_SID, AUTH_TOKEN),
        timeout=30,
    )
    assert response.status_code == 201
    resource = response.json()
    assert resource["sid"].startswith("SM") and len(resource["sid"]) == 34
    assert (resource["status"], resource["direction"], resource["body"]) == (
        "queued",
        "outbound-api",
        "Bonjour é😀",
    )
    assert (resource["from"], resource["to"], resource["date_sent"]) == (COMPANY, fatou, None)
    assert resource["date_created"].endswith("+0000")
    assert set(resource) == {
        *("account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction"),
        *("error_code", "error_message", "from", "messaging_service_sid", "num_media", "num_segments"),
        *("price", "price_unit", "sid", "status", "subresource_uris", "to", "uri"),
    }


def test_a_message_can_be_fetched_until_it_is_delivered(double: RunningDouble, fatou: str) -> None:
    sid = send(double, "Votre voiture est prête.")
    double.wait_for(lambda: double.sdk().messages(sid).fetch().status == "delivered")
    fetched = double.sdk().messages(sid).fetch()
    assert fetched.date_sent is not None and fetched.date_sent.tzinfo is not None


def test_a_messaging_service_accepts_first(double: RunningDouble, fatou: str) -> None:
    message = double.sdk().messages.create(to=fatou, messaging_service_sid="MG" + "0" * 32, body="a")
    assert message.status == "accepted"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": COMPANY, "Body": "a"}, 21604),
        ({"To": "+212612345678", "From": COMPANY, "Body": "a"}, 21211),
        ({"To": "whatsapp:0612345678", "From": COMPANY, "Body": "a"}, 21211),
        ({"To": FATOU, "Body": "a"}, 21603),
        ({"To": FATOU, "From": "whatsapp:+33600000000", "Body": "a"}, 63007),
        ({"To": FATOU, "From": COMPANY}, 21619),
        ({"To": FATOU, "From": COMPANY, "Body": "😀" * 1601}, 21617),
        ({"To": FATOU, "From": COMPANY, "MediaUrl": "file:///etc/passwd"}, 21620),
    ],
)
def test_invalid_requests_are_refused_with_twilios_code(
    double: RunningDouble, form: dict[str, str], code: int
) -> None:
    response = requests.post(double.url + MESSAGES, data=form, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30)
    assert (response.status_code, response.json()["code"], response.json()["status"]) == (400, code, 400)
    assert set(response.json()) == {"code", "message", "more_info", "status"}
    assert double.accepted() == []


def test_1600_characters_are_accepted(double: RunningDouble, fatou: str) -> None:
    send(double, "😀" * 1600)
    assert len(double.accepted()) == 1


@pytest.mark.parametrize("auth", [None, (ACCOUNT_SID, "wrong"), ("AC" + "9" * 32, AUTH_TOKEN)])
def test_wrong_credentials_are_refused(double: RunningDouble, auth: tuple[str, str] | None) -> None:
    response = requests.get(double.url + MESSAGES, auth=auth, timeout=30)
    assert (response.status_code, response.json()["code"]) == (401, 20003)


def test_another_account_is_404(double: RunningDouble) -> None:
    path = MESSAGES.replace(ACCOUNT_SID, "AC" + "9" * 32)
    response = requests.get(double.url + path, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30)
    assert (response.status_code, response.json()["code"]) == (404, 20404)


@pytest.mark.parametrize("path", ["/2010-04-01/Accounts.json", "/v1/Services", MESSAGES[:-5] + "/SM1.json"])
def test_other_paths_of_twilio_are_404(double: RunningDouble, path: str) -> None:
    response = requests.get(double.url + path, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30)
    assert (response.status_code, response.json()["code"]) == (404, 20404)


def test_the_list_is_newest_first_over_all_pages(double: RunningDouble, fatou: str) -> None:
    for number in range(7):
        send(double, f"n° {number}")
    listed = [each.body for each in double.sdk().messages.list(page_size=3)]
    assert listed == [f"n° {number}" for number in reversed(range(7))]
    assert double.requests("list") == 3


def test_pagination_is_stable_when_a_message_comes_in_between(double: RunningDouble, fatou: str) -> None:
    for number in range(4):
        send(double, f"n° {number}")
    first = double.sdk().messages.page(page_size=2)
    assert [each.body for each in first] == ["n° 3", "n° 2"]
    send(double, "n° 4")
    second = first.next_page()
    assert [each.body for each in second] == ["n° 1", "n° 0"]
    assert second.next_page() is None


def test_the_list_is_filtered_by_sender_and_recipient(double: RunningDouble, fatou: str) -> None:
    salma = "whatsapp:+212661234567"
    double.open_window(salma)
    send(double, "à Fatou")
    send(double, "à Salma", to=salma)
    double.client_writes(fatou, "de Fatou")
    sdk = double.sdk()
    assert [each.body for each in sdk.messages.list(to=fatou)] == ["à Fatou"]
    assert [each.body for each in sdk.messages.list(from_=fatou)] == ["de Fatou"]
    assert sdk.messages.list(from_=fatou)[0].direction == "inbound"


def test_dates_are_filtered_by_the_day(double: RunningDouble, fatou: str) -> None:
    send(double, "hier")
    double.wait_until_idle()
    double.advance(24 * 3600)
    double.open_window(fatou)
    send(double, "aujourd'hui")
    double.wait_until_idle()
    sdk, tomorrow = double.sdk(), datetime.now(UTC) + timedelta(days=1)
    today_late = tomorrow.replace(hour=23, minute=59)
    assert [each.body for each in sdk.messages.list(date_sent_after=today_late)] == ["aujourd'hui"]
    assert [each.body for each in sdk.messages.list(date_sent_before=datetime.now(UTC))] == ["hier"]
    assert [each.body for each in sdk.messages.list(date_sent=today_late)] == ["aujourd'hui"]


def test_a_queued_message_is_in_no_list_by_date(double: RunningDouble, fatou: str) -> None:
    double.settings.sent_after_ms = 60_000
    send(double, "en attente")
    assert double.sdk().messages.list(date_sent_after=datetime.now(UTC)) == []
    assert len(double.sdk().messages.list(to=fatou)) == 1


def test_an_invalid_date_is_refused(double: RunningDouble) -> None:
    response = requests.get(
        double.url + MESSAGES, params={"DateSent>": "yesterday"}, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=30
    )
    assert response.status_code == 400


def test_an_execution_is_ended(double: RunningDouble) -> None:
    flow = "FW" + "1" * 32
    sid = double.start_execution(flow, FATOU)
    executions = double.sdk().studio.v2.flows(flow).executions
    assert [each.sid for each in executions.list(status="active")] == [sid]
    assert executions(sid).update(status="ended").status == "ended"
    assert executions.list(status="active") == []
    assert executions(sid).fetch().contact_channel_address == FATOU


def test_executions_come_in_pages_too(double: RunningDouble) -> None:
    flow = "FW" + "1" * 32
    started = [double.start_execution(flow, FATOU) for _ in range(5)]
    listed = double.sdk().studio.v2.flows(flow).executions.list(page_size=2)
    assert [each.sid for each in listed] == started[::-1]


def test_an_unknown_execution_is_404(double: RunningDouble) -> None:
    with pytest.raises(TwilioRestException) as refusal:
        double.sdk().studio.v2.flows("FW1").executions("FN1").update(status="ended")
    assert (refusal.value.status, refusal.value.code) == (404, 20404)


def test_the_account_and_its_senders_can_be_fetched(double: RunningDouble) -> None:
    assert double.sdk().api.v2010.accounts(ACCOUNT_SID).fetch().status == "active"
    senders = double.sdk().messaging.v2.channels_senders.list(channel="whatsapp")
    assert [(each.sender_id, each.status) for each in senders] == [(COMPANY, "ONLINE")]
