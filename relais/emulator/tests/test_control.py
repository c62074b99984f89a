"""The control API, used by the phone and by test harnesses in other processes."""

import threading
from collections.abc import Iterator

import pytest
import requests

from relais.emulator.addresses import InvalidNumber, format_number, whatsapp_address
from relais.emulator.media import ascii_file_name
from relais.emulator.testing import RunningDouble, running_double
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.stub_desk import StubDesk


class ControlClient:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, **options: object) -> requests.Response:
        return requests.request(method, f"{self.url}/control/{path}", timeout=30, **options)  # type: ignore[arg-type]

    def get(self, path: str) -> dict[str, object]:
        return dict(self("GET", path).json())


@pytest.fixture
def control(double: RunningDouble) -> Iterator[ControlClient]:
    return ControlClient(double.url)


def test_a_client_writes_and_the_desk_is_called(
    control: ControlClient, desk: StubDesk, double: RunningDouble
) -> None:
    message = control(
        "POST", "inbound", json={"from": "+212 6 12 34 56 78", "body": "bonjour", "name": "Fatou"}
    ).json()
    double.wait_until_idle()
    assert (message["state"], message["mine"], message["address"]) == ("accepted", True, FATOU)
    assert desk.calls[0].params["ProfileName"] == "Fatou"
    assert control.get(f"messages/{message['sid']}")["attempts"] == ["200"]


def test_the_name_of_a_known_client_is_the_profile_name(
    control: ControlClient, desk: StubDesk, double: RunningDouble
) -> None:
    client = control("POST", "people", json={"name": "Fatou Diallo", "number": "+212612345678"}).json()
    assert client == {"address": FATOU, "name": "Fatou Diallo", "number": "+212 6 12 34 56 78"}
    control("POST", "inbound", json={"from": FATOU, "body": "bonjour"})
    double.wait_until_idle()
    assert desk.calls[0].params["ProfileName"] == "Fatou Diallo"
    control("DELETE", f"people/{FATOU}")
    assert control.get("state")["people"] == []


def test_a_picture_is_uploaded_and_then_sent(
    control: ControlClient, desk: StubDesk, double: RunningDouble
) -> None:
    headers = {"Content-Type": "image/png", "X-Filename": "ray%C3%A9.png"}
    media = control("POST", "uploads", data=b"\x89PNG", headers=headers).json()["media"]
    control("POST", "inbound", json={"from": FATOU, "media": media})
    double.wait_until_idle()
    assert desk.calls[0].params["NumMedia"] == "1"
    assert control("GET", f"media/{media}").content == b"\x89PNG"


def test_an_upload_over_16_mb_is_refused(control: ControlClient) -> None:
    response = control(
        "POST", "uploads", data=b"x" * (16 * 1024 * 1024 + 1), headers={"Content-Type": "image/png"}
    )
    assert response.status_code == 413


def test_long_polling_returns_as_soon_as_a_message_comes(
    control: ControlClient, double: RunningDouble, fatou: str
) -> None:
    last = control.get("state")["last"]
    waiting: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: waiting.append(control.get(f"changes?since={last}&wait=20")))
    thread.start()
    double.client_writes(fatou, "bonjour")
    thread.join(30)
    assert [each["body"] for each in waiting[0]["messages"]] == ["bonjour"]  # type: ignore[attr-defined]


def test_a_phone_shows_the_companys_messages_only_when_delivered(
    control: ControlClient, double: RunningDouble, fatou: str
) -> None:
    double.settings.delivered_after_ms = 60_000
    double.sdk().messages.create(to=fatou, from_=COMPANY, body="bientôt")
    double.wait_for(lambda: double.accepted()[0].status == "sent")
    assert control.get("changes?since=0")["messages"] == []


def test_a_message_comes_once_and_again_when_it_changes(
    control: ControlClient, double: RunningDouble, fatou: str
) -> None:
    double.sdk().messages.create(to=fatou, from_=COMPANY, body="bonjour")
    double.wait_until_idle()
    first = control.get("changes?since=0")
    assert [each["state"] for each in first["messages"]] == ["delivered"]  # type: ignore[attr-defined]
    assert control.get(f"changes?since={first['last']}")["messages"] == []
    assert control("POST", "read", json={"address": fatou}).json() == {"read": 1}
    second = control.get(f"changes?since={first['last']}")
    assert [each["state"] for each in second["messages"]] == ["read"]  # type: ignore[attr-defined]


def test_after_a_reset_changes_start_from_nothing(control: ControlClient, double: RunningDouble) -> None:
    double.client_writes(FATOU, "bonjour")
    boot, last = control.get("state")["boot"], control.get("state")["last"]
    control("POST", "reset")
    after = control.get(f"changes?since={last}&boot={boot}")
    assert after["boot"] != boot
    assert after["messages"] == []


def test_accepted_messages_can_be_filtered_by_ref(
    control: ControlClient, double: RunningDouble, fatou: str
) -> None:
    sdk = double.sdk()
    for ref in ("r1", "r2"):
        sdk.messages.create(
            to=fatou, from_=COMPANY, body=ref, status_callback=f"http://127.0.0.1:1/s?ref={ref}"
        )
    double.wait_until_idle()
    [message] = control.get("accepted?ref=r2")["messages"]  # type: ignore[misc]
    assert (message["body"], message["to"], message["callbacks"]) == (
        "r2",
        fatou,
        ["sent ct", "delivered ct"],
    )


def test_fault_rules_are_added_and_removed(control: ControlClient) -> None:
    rules = [{"on": "create", "fault": "429"}, {"on": "list", "fault": "5xx", "times": 3}]
    rules_set = control("POST", "faults", json=rules).json()["faults"]
    assert [(each["on"], each["fault"], each["times"]) for each in rules_set] == [
        ("create", "429", None),
        ("list", "5xx", 3),
    ]
    control("DELETE", f"faults?id={rules_set[0]['id']}")
    assert [each["fault"] for each in control.get("faults")["faults"]] == ["5xx"]  # type: ignore[attr-defined]
    assert control("DELETE", "faults").json() == {"faults": []}


def test_settings_webhooks_time_and_windows(control: ControlClient, double: RunningDouble) -> None:
    control("POST", "settings", json={"sent_after_ms": 7, "senders": {COMPANY: None}})
    assert double.settings.sent_after_ms == 7
    assert double.settings.senders == {COMPANY: None}
    before = control.get("state")["now"]
    assert str(control("POST", "clock", json={"advance_seconds": 86400}).json()["now"]) > str(before)
    control("POST", "window", json={"address": FATOU, "open": True})
    assert double.double.windows.is_open(FATOU, COMPANY, double.double.clock.now(), 24)
    control("POST", "window", json={"address": FATOU, "open": False})
    assert not double.double.windows.is_open(FATOU, COMPANY, double.double.clock.now(), 24)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"colour": "red"}),
        ("settings", {"auth_token": "stolen"}),
        ("settings", {"sent_after_ms": -1}),
        ("settings", {"enforce_window": 1}),
        ("faults", {"on": "create", "fault": "fire"}),
        ("people", {"name": "X", "number": "0612"}),
        ("inbound", {"from": FATOU, "body": ""}),
        ("inbound", {"from": FATOU, "body": "x" * 1601}),
        ("inbound", {"from": "nobody", "body": "x"}),
        ("inbound", ["x"]),
    ],
)
def test_invalid_requests_are_refused_with_a_sentence(
    control: ControlClient, path: str, body: object
) -> None:
    response = control("POST", path, json=body)
    assert response.status_code == 422
    assert response.json()["error"].endswith(".")


def test_web_pages_and_foreign_hosts_are_refused(control: ControlClient) -> None:
    assert control("GET", "state", headers={"Origin": "http://evil.example"}).status_code == 403
    assert control("GET", "state", headers={"Host": "evil.example"}).status_code == 403
    assert control("GET", "state").status_code == 200


def test_the_state_contains_no_secret(control: ControlClient, double: RunningDouble) -> None:
    assert double.settings.auth_token not in control("GET", "state").text


def test_an_unknown_path_is_404(control: ControlClient) -> None:
    assert control("GET", "weather").status_code == 404


def test_memory_is_bounded(desk: StubDesk) -> None:
    with running_double(webhook=f"{desk.url}/message", keep_messages=3, keep_media_bytes=10) as double:
        for number in range(5):
            double.client_writes(FATOU, str(number), media=(b"12345", "image/png", "a.png"))
        assert [each.body for each in double.sdk().messages.list()] == ["4", "3", "2"]
        kept = [bool(double.double.media.get(each.media[0].sid)) for each in double._messages(FATOU)]
        assert kept == [False, True, True]


@pytest.mark.parametrize("typed", ["+225 07 08 09 10 11", "whatsapp:+2250708091011", " +225-0708091011 "])
def test_a_number_has_one_canonical_address(typed: str) -> None:
    assert whatsapp_address(typed) == "whatsapp:+2250708091011"


@pytest.mark.parametrize("typed", ["", "bonjour", "0612345678", "+212 6", "+212612345678901234"])
def test_an_invalid_number_is_refused(typed: str) -> None:
    with pytest.raises(InvalidNumber):
        whatsapp_address(typed)


def test_a_number_is_formatted_as_in_its_country() -> None:
    assert format_number(FATOU) == "+212 6 12 34 56 78"
    assert format_number("whatsapp:someone") == "someone"


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    assert ascii_file_name('../a"b\r\nX: é.pdf') == "abX e.pdf"


def test_received_messages_are_listed_with_their_delivery(
    control: ControlClient, desk: StubDesk, double: RunningDouble
) -> None:
    first = control("POST", "inbound", json={"from": FATOU, "body": "un"}).json()["sid"]
    second = control("POST", "inbound", json={"from": FATOU, "body": "deux"}).json()["sid"]
    double.wait_until_idle()
    messages = control.get("received")["messages"]
    assert [(each["sid"], each["turn"], each["attempts"]) for each in messages] == [
        (first, 1, ["200"]),
        (second, 2, ["200"]),
    ]
    assert control.get("state")["under_way"] == 0
