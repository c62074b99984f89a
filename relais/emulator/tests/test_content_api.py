"""Twilio's own client meets the Content API of the double, and templates reach the phone."""

import json
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest.content.v1.content import ContentList

from relais.emulator.dealer_templates import DEALER_TEMPLATES, quick_reply_content, text_content
from relais.emulator.testing import ACCOUNT_SID, AUTH_TOKEN, RunningDouble
from relais.emulator.tests.conftest import COMPANY, FATOU

READY = text_content("vehicule_pret", "Bonjour {{1}}, votre {{2}} est prête.")
LIST_PICKER: dict[str, Any] = {
    "body": "Quel service ?",
    "button": "Choisir",
    "items": [{"id": "a", "item": "Atelier", "description": "Entretien"}, {"id": "v", "item": "Vente"}],
}


def create(double: RunningDouble, types: dict[str, Any], **fields: Any) -> requests.Response:
    payload = {"friendly_name": "q", "language": "fr", "types": types, **fields}
    return requests.post(f"{double.url}/v1/Content", json=payload, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=5)


def get(double: RunningDouble, path: str) -> Any:
    return requests.get(double.url + path, auth=(ACCOUNT_SID, AUTH_TOKEN), timeout=5).json()


def send(double: RunningDouble, sid: str, variables: dict[str, str] | None = None) -> Any:
    fields = {} if variables is None else {"content_variables": json.dumps(variables)}
    return double.sdk().messages.create(to=FATOU, from_=COMPANY, content_sid=sid, **fields)


def sent_error(double: RunningDouble, sid: str) -> tuple[str, int | None]:
    double.wait_until_idle()
    message = double.sdk().messages(sid).fetch()
    return str(message.status), message.error_code


def test_the_list_names_approval_and_variables_over_all_pages(double: RunningDouble) -> None:
    double.add_dealer_templates()
    contents = double.sdk().content.v1.content_and_approvals.list(page_size=4)
    assert [each.sid for each in contents] == [each.sid for each in reversed(DEALER_TEMPLATES)]
    by_status = {str((each.approval_requests or {})["status"]) for each in contents}
    assert {"approved", "pending", "rejected", "paused", "disabled", "unsubmitted"} <= by_status
    [rejected] = [each for each in contents if (each.approval_requests or {})["status"] == "rejected"]
    assert str((rejected.approval_requests or {})["rejection_reason"]).startswith("INVALID_FORMAT")
    assert {each.language for each in contents} == {"fr", "en", "ar"}
    assert double.requests("content") == 4


def test_a_page_names_the_next_one(double: RunningDouble) -> None:
    double.add_dealer_templates()
    page = get(double, "/v1/ContentAndApprovals?PageSize=10")
    assert page["meta"]["key"] == "contents" and len(page["contents"]) == 10
    assert page["meta"]["next_page_url"].startswith(
        "https://content.twilio.com/v1/ContentAndApprovals?PageSize=10&Page=1&PageToken=PAHX"
    )
    last = get(double, page["meta"]["next_page_url"].removeprefix("https://content.twilio.com"))
    assert last["meta"]["next_page_url"] is None


def test_one_approval_is_fetched(double: RunningDouble) -> None:
    sid = double.add_content(READY)
    approval = get(double, f"/v1/Content/{sid}/ApprovalRequests")
    assert (approval["sid"], approval["whatsapp"]["status"], approval["whatsapp"]["category"]) == (
        sid,
        "approved",
        "UTILITY",
    )


def test_two_creations_make_two_contents(double: RunningDouble) -> None:
    types = {"twilio/quick-reply": {"body": "Demain ?", "actions": [{"title": "Oui", "id": "y"}]}}
    first, second = create(double, types), create(double, types)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["sid"] != second.json()["sid"] and first.json()["sid"].startswith("HX")
    assert len(double.contents()) == 2
    assert double.requests("create_content") == 2


def test_the_sdks_own_request_is_understood(double: RunningDouble) -> None:
    reply = {"body": "Demain ?", "actions": [{"type": "QUICK_REPLY", "title": "Oui", "id": "y"}]}
    request = ContentList.ContentCreateRequest(
        {
            "friendly_name": "q",
            "language": "fr",
            "types": ContentList.Types({"twilio/quick-reply": reply}),
        }
    )
    created = double.sdk().content.v1.contents.create(request)
    [content] = double.contents()
    assert (content.sid, content.types) == (created.sid, {"twilio/quick-reply": reply})


def test_a_deleted_content_is_gone(double: RunningDouble) -> None:
    sid = double.add_content(READY)
    assert double.sdk().content.v1.contents(sid).delete()
    with pytest.raises(TwilioRestException) as error:
        double.sdk().content.v1.contents(sid).fetch()
    assert error.value.status == 404


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"twilio/fire": {"body": "a"}},
        {"twilio/text": {"body": " "}},
        {"twilio/text": {"body": "a {{1"}},
        {"twilio/media": {"body": "a"}},
        {"twilio/quick-reply": {"body": "a", "actions": []}},
        {"twilio/quick-reply": {"body": "a", "actions": [{"title": "x" * 21}]}},
        {"twilio/quick-reply": {"body": "a", "actions": [{"title": "x"}, {"title": "x"}]}},
        {"twilio/list-picker": {**LIST_PICKER, "button": ""}},
        {"twilio/list-picker": {**LIST_PICKER, "items": [{"id": str(n), "item": str(n)} for n in range(11)]}},
        {"twilio/list-picker": {**LIST_PICKER, "items": [{"id": "a", "item": "x" * 25}]}},
        {"twilio/list-picker": {**LIST_PICKER, "items": [{"id": "a", "item": "x", "description": "x" * 73}]}},
        {"twilio/call-to-action": {"body": "a", "actions": [{"type": "URL", "title": "x"}]}},
        {"twilio/card": {"body": "a"}},
    ],
)
def test_invalid_content_is_refused(double: RunningDouble, types: dict[str, Any]) -> None:
    response = create(double, types)
    assert (response.status_code, response.json()["code"]) == (400, 20001)
    assert double.contents() == []


def test_an_approved_template_shows_its_text_on_the_phone_outside_the_window(double: RunningDouble) -> None:
    sid = double.add_content(READY)
    message = send(double, sid, {"1": "Fatou", "2": "Clio"})
    assert message.body == ""
    assert sent_error(double, message.sid) == ("delivered", None)
    assert double.texts_on_phone(FATOU) == ["Bonjour Fatou, votre Clio est prête."]


@pytest.mark.parametrize("status", ["unsubmitted", "received", "pending", "rejected", "paused", "disabled"])
def test_outside_the_window_only_approved_templates_pass(double: RunningDouble, status: str) -> None:
    sid = double.add_content(READY, status=status)
    message = send(double, sid, {"1": "Fatou", "2": "Clio"})
    assert sent_error(double, message.sid) == ("undelivered", 63016)


@pytest.mark.parametrize(
    ("types", "outside"),
    [
        ({"twilio/quick-reply": {"body": "Demain ?", "actions": [{"title": "Oui", "id": "y"}]}}, 63016),
        ({"twilio/list-picker": LIST_PICKER}, 63016),
    ],
)
def test_choices_need_no_approval_in_the_window(
    double: RunningDouble, types: dict[str, Any], outside: int
) -> None:
    sid = create(double, types).json()["sid"]
    assert sent_error(double, send(double, sid).sid) == ("undelivered", outside)
    double.open_window(FATOU)
    assert sent_error(double, send(double, sid).sid) == ("delivered", None)


def test_a_call_to_action_needs_approval_in_the_window_too(double: RunningDouble) -> None:
    double.open_window(FATOU)
    action = {"type": "URL", "title": "Voir", "url": "https://a.example"}
    sid = create(double, {"twilio/call-to-action": {"body": "a", "actions": [action]}}).json()["sid"]
    assert sent_error(double, send(double, sid).sid) == ("undelivered", 63016)


def test_an_unknown_content_is_refused_at_once(double: RunningDouble) -> None:
    with pytest.raises(TwilioRestException) as error:
        send(double, "HX" + "9" * 32)
    assert (error.value.status, error.value.code) == (400, 21655)
    assert double.accepted() == []


def test_a_lenient_double_takes_an_unknown_content(double: RunningDouble) -> None:
    double.settings.lenient_content = True
    message = send(double, "HX" + "9" * 32, {"1": "Fatou"})
    assert sent_error(double, message.sid) == ("delivered", None)


@pytest.mark.parametrize(
    "variables", ["[]", "{", '{"1": null}', '{"1": ""}', '{"1": "a\\nb"}', '{"1": "a     b"}']
)
def test_variables_that_whatsapp_does_not_take_are_refused(double: RunningDouble, variables: str) -> None:
    sid = double.add_content(READY)
    with pytest.raises(TwilioRestException) as error:
        double.sdk().messages.create(to=FATOU, from_=COMPANY, content_sid=sid, content_variables=variables)
    assert error.value.code == 21656


def test_a_missing_variable_fails_later_unless_it_has_a_sample(double: RunningDouble) -> None:
    sid = double.add_content(READY)
    assert sent_error(double, send(double, sid, {"1": "Fatou"}).sid) == ("failed", 63028)
    sample = double.add_content(text_content("b", "Bonjour {{1}}.", variables={"1": "client"}))
    assert sent_error(double, send(double, sample).sid) == ("delivered", None)
    assert double.texts_on_phone(FATOU) == ["Bonjour client."]


def test_a_lost_answer_leaves_the_content_created(double: RunningDouble) -> None:
    double.fault("create_content", "no_answer", times=1)
    with pytest.raises(requests.ConnectionError):
        create(double, {"twilio/text": {"body": "a"}})
    assert len(double.contents()) == 1


def test_the_phone_gets_the_buttons(double: RunningDouble) -> None:
    sid = double.add_content(quick_reply_content("rdv", "Bonjour {{1}}", ("Oui", "Non")))
    send(double, sid, {"1": "Fatou"})
    double.wait_until_idle()
    [shown] = requests.get(f"{double.url}/control/changes", timeout=5).json()["messages"]
    assert shown["body"] == "Bonjour Fatou"
    assert [(each["type"], each["title"], each["id"]) for each in shown["content"]["actions"]] == [
        ("QUICK_REPLY", "Oui", "rdv_1"),
        ("QUICK_REPLY", "Non", "rdv_2"),
    ]
