"""The control API, which the phone and harnesses in other processes use."""

import threading
from collections.abc import Iterator

import pytest
import requests

from relais.emulator.addresses import BadNumber, shown, whatsapp_address
from relais.emulator.media import safe_name
from relais.emulator.testing import RunningDouble, running_double
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.desk import Desk


class Controls:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, **options: object) -> requests.Response:
        return requests.request(method, f"{self.url}/control/{path}", timeout=5, **options)  # type: ignore[arg-type]

    def get(self, path: str) -> dict[str, object]:
        return dict(self("GET", path).json())


@pytest.fixture
def control(double: RunningDouble) -> Iterator[Controls]:
    return Controls(double.url)


def test_a_client_writes_and_the_desk_is_told(control: Controls, desk: Desk, double: RunningDouble) -> None:
    told = control(
        "POST", "inbound", json={"from": "+212 6 12 34 56 78", "body": "bonjour", "name": "Fatou"}
    ).json()
    double.wait_until_idle()
    assert (told["state"], told["mine"], told["address"]) == ("accepted", True, FATOU)
    assert desk.calls[0].params["ProfileName"] == "Fatou"
    assert control.get(f"messages/{told['sid']}")["attempts"] == ["200"]


def test_the_name_of_a_known_person_is_the_profile_name(
    control: Controls, desk: Desk, double: RunningDouble
) -> None:
    person = control("POST", "people", json={"name": "Fatou Diallo", "number": "+212612345678"}).json()
    assert person == {"address": FATOU, "name": "Fatou Diallo", "number": "+212 6 12 34 56 78"}
    control("POST", "inbound", json={"from": FATOU, "body": "bonjour"})
    double.wait_until_idle()
    assert desk.calls[0].params["ProfileName"] == "Fatou Diallo"
    control("DELETE", f"people/{FATOU}")
    assert control.get("state")["people"] == []


def test_a_picture_is_uploaded_and_then_sent(control: Controls, desk: Desk, double: RunningDouble) -> None:
    headers = {"Content-Type": "image/png", "X-Filename": "ray%C3%A9.png"}
    media = control("POST", "uploads", data=b"\x89PNG", headers=headers).json()["media"]
    control("POST", "inbound", json={"from": FATOU, "media": media})
    double.wait_until_idle()
    assert desk.calls[0].params["NumMedia"] == "1"
    assert control("GET", f"media/{media}").content == b"\x89PNG"


def test_an_upload_over_16_mb_is_refused(control: Controls) -> None:
    answer = control("POST", "uploads", data=b"x" * 16_000_001, headers={"Content-Type": "image/png"})
    assert answer.status_code == 413


def test_a_waiting_phone_gets_a_message_within_a_moment(
    control: Controls, double: RunningDouble, fatou: str
) -> None:
    last = control.get("state")["last"]
    waiting: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: waiting.append(control.get(f"changes?since={last}&wait=20")))
    thread.start()
    double.client_writes(fatou, "bonjour")
    thread.join(5)
    assert [each["body"] for each in waiting[0]["messages"]] == ["bonjour"]  # type: ignore[attr-defined]


def test_a_phone_sees_the_company_only_when_delivered(
    control: Controls, double: RunningDouble, fatou: str
) -> None:
    double.settings.delivered_after_ms = 60_000
    double.sdk().messages.create(to=fatou, from_=COMPANY, body="bientôt")
    double.wait_for(lambda: double.accepted()[0].status == "sent")
    assert control.get("changes?since=0")["messages"] == []


def test_changes_come_once_and_again_when_they_change(
    control: Controls, double: RunningDouble, fatou: str
) -> None:
    double.sdk().messages.create(to=fatou, from_=COMPANY, body="bonjour")
    double.wait_until_idle()
    first = control.get("changes?since=0")
    assert [each["state"] for each in first["messages"]] == ["delivered"]  # type: ignore[attr-defined]
    assert control.get(f"changes?since={first['last']}")["messages"] == []
    assert control("POST", "read", json={"address": fatou}).json() == {"read": 1}
    second = control.get(f"changes?since={first['last']}")
    assert [each["state"] for each in second["messages"]] == ["read"]  # type: ignore[attr-defined]


def test_another_life_of_the_double_begins_from_nothing(control: Controls, double: RunningDouble) -> None:
    double.client_writes(FATOU, "bonjour")
    boot, last = control.get("state")["boot"], control.get("state")["last"]
    control("POST", "reset")
    after = control.get(f"changes?since={last}&boot={boot}")
    assert after["boot"] != boot
    assert after["messages"] == []


def test_what_was_accepted_can_be_asked_by_ref(control: Controls, double: RunningDouble, fatou: str) -> None:
    sdk = double.sdk()
    for ref in ("r1", "r2"):
        sdk.messages.create(
            to=fatou, from_=COMPANY, body=ref, status_callback=f"http://127.0.0.1:1/s?ref={ref}"
        )
    double.wait_until_idle()
    [found] = control.get("accepted?ref=r2")["messages"]  # type: ignore[misc]
    assert (found["body"], found["to"], found["callbacks"]) == ("r2", fatou, ["sent ct", "delivered ct"])


def test_rules_are_set_and_taken_away(control: Controls) -> None:
    rules = [{"on": "create", "fault": "429"}, {"on": "list", "fault": "5xx", "times": 3}]
    kept = control("POST", "faults", json=rules).json()["faults"]
    assert [(each["on"], each["fault"], each["times"]) for each in kept] == [
        ("create", "429", None),
        ("list", "5xx", 3),
    ]
    control("DELETE", f"faults?id={kept[0]['id']}")
    assert [each["fault"] for each in control.get("faults")["faults"]] == ["5xx"]  # type: ignore[attr-defined]
    assert control("DELETE", "faults").json() == {"faults": []}


def test_settings_webhooks_time_and_windows(control: Controls, double: RunningDouble) -> None:
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
def test_what_makes_no_sense_is_refused_in_a_sentence(control: Controls, path: str, body: object) -> None:
    answer = control("POST", path, json=body)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")


def test_web_pages_and_foreign_names_have_no_control(control: Controls) -> None:
    assert control("GET", "state", headers={"Origin": "http://evil.example"}).status_code == 403
    assert control("GET", "state", headers={"Host": "evil.example"}).status_code == 403
    assert control("GET", "state").status_code == 200


def test_the_state_tells_no_secret(control: Controls, double: RunningDouble) -> None:
    assert double.settings.auth_token not in control("GET", "state").text


def test_an_unknown_control_is_not_there(control: Controls) -> None:
    assert control("GET", "weather").status_code == 404


def test_memory_is_bounded(desk: Desk) -> None:
    with running_double(webhook=f"{desk.url}/message", keep_messages=3, keep_media_bytes=10) as double:
        for number in range(5):
            double.client_writes(FATOU, str(number), media=(b"12345", "image/png", "a.png"))
        assert [each.body for each in double.sdk().messages.list()] == ["4", "3", "2"]
        kept = [bool(double.double.media.get(each.media[0].sid)) for each in double._messages(FATOU)]
        assert kept == [False, True, True]


@pytest.mark.parametrize("typed", ["+225 07 08 09 10 11", "whatsapp:+2250708091011", " +225-0708091011 "])
def test_a_number_has_one_form(typed: str) -> None:
    assert whatsapp_address(typed) == "whatsapp:+2250708091011"


@pytest.mark.parametrize("typed", ["", "bonjour", "0612345678", "+212 6", "+212612345678901234"])
def test_a_number_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(BadNumber):
        whatsapp_address(typed)


def test_a_number_is_shown_as_in_its_country() -> None:
    assert shown(FATOU) == "+212 6 12 34 56 78"
    assert shown("whatsapp:someone") == "someone"


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    assert safe_name('../a"b\r\nX: é.pdf') == "abX e.pdf"


def test_what_clients_wrote_is_listed_with_what_became_of_it(
    control: Controls, desk: Desk, double: RunningDouble
) -> None:
    first = control("POST", "inbound", json={"from": FATOU, "body": "un"}).json()["sid"]
    second = control("POST", "inbound", json={"from": FATOU, "body": "deux"}).json()["sid"]
    double.wait_until_idle()
    told = control.get("received")["messages"]
    assert [(each["sid"], each["turn"], each["attempts"]) for each in told] == [
        (first, 1, ["200"]),
        (second, 2, ["200"]),
    ]
    assert control.get("state")["under_way"] == 0
