"""Status callbacks of accepted messages: signed, in order, and outside the session window."""

from urllib.parse import parse_qs

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relais.emulator.dealer_templates import text_content
from relais.emulator.testing import RunningDouble, ServerThread
from relais.emulator.tests.conftest import COMPANY, FATOU
from relais.emulator.tests.stub_desk import StubDesk


def send(double: RunningDouble, desk: StubDesk, text: str = "Bonjour", **more: object) -> str:
    callback = f"{desk.url}/status?ref=8%2F9&x="
    message = double.sdk().messages.create(
        to=FATOU, from_=COMPANY, body=text, status_callback=callback, **more
    )
    return str(message.sid)


def test_sent_then_delivered_and_never_the_first_status(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    sid = send(double, desk)
    double.wait_for(lambda: len(desk.calls) == 2)
    double.wait_until_idle()
    assert desk.statuses() == ["sent", "delivered"]
    params = desk.calls[0].params
    assert params["MessageSid"] == params["SmsSid"] == sid
    assert params["SmsStatus"] == params["MessageStatus"] == "sent"
    assert (params["To"], params["From"], params["ApiVersion"]) == (FATOU, COMPANY, "2010-04-01")
    assert "ErrorCode" not in params


def test_the_signature_covers_the_query_as_it_was_given(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    send(double, desk)
    double.wait_for(lambda: len(desk.calls) == 2)
    assert all(call.has_valid_signature for call in desk.calls)
    assert desk.calls[0].query == "ref=8%2F9&x="
    assert double.accepted()[0].ref == parse_qs(desk.calls[0].query)["ref"][0] == "8/9"


def test_a_message_is_read_when_its_phone_shows_it(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    send(double, desk)
    double.wait_until_idle()
    assert double.texts_on_phone(fatou) == ["Bonjour"]
    double.client_reads(fatou)
    double.client_reads(fatou)
    double.wait_until_idle()
    assert desk.statuses() == ["sent", "delivered", "read"]
    assert desk.calls[-1].params["EventType"] == "READ"


def test_a_setting_reads_by_itself(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    double.settings.read_after_ms = 1
    send(double, desk)
    double.wait_for(lambda: desk.statuses() == ["sent", "delivered", "read"])


def test_with_a_messaging_service_queued_is_posted_first(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    callback = f"{desk.url}/status"
    double.sdk().messages.create(
        to=fatou, messaging_service_sid="MG" + "0" * 32, body="a", status_callback=callback
    )
    double.wait_for(lambda: desk.statuses() == ["queued", "sent", "delivered"])
    assert desk.calls[0].params["MessagingServiceSid"].startswith("MG")


def test_without_an_open_window_the_failure_comes_later(double: RunningDouble, desk: StubDesk) -> None:
    sid = send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["undelivered"]
    assert desk.calls[0].params["ErrorCode"] == "63016"
    assert double.sdk().messages(sid).fetch().error_code == 63016
    assert double.texts_on_phone(FATOU) == []


def test_the_window_closes_24_hours_after_the_last_message(double: RunningDouble, desk: StubDesk) -> None:
    double.client_writes(FATOU, "bonjour")
    double.advance(24 * 3600 - 60)
    send(double, desk, "à temps")
    double.advance(120)
    send(double, desk, "trop tard")
    double.wait_until_idle()
    assert double.texts_on_phone(FATOU) == ["à temps"]


def test_a_double_started_again_may_trust_the_desk_about_windows(
    double: RunningDouble, desk: StubDesk
) -> None:
    double.settings.lenient_window = True
    send(double, desk, "elle a écrit hier soir")
    double.wait_until_idle()
    assert double.texts_on_phone(FATOU) == ["elle a écrit hier soir"]
    double.client_writes(FATOU, "bonjour")
    double.advance(25 * 3600)
    send(double, desk, "trop tard")
    double.wait_until_idle()
    assert double.texts_on_phone(FATOU) == ["elle a écrit hier soir"]


def test_a_window_belongs_to_one_number_of_the_company(double: RunningDouble, desk: StubDesk) -> None:
    other = "whatsapp:+212522000000"
    double.settings.senders[other] = None
    double.client_writes(FATOU, "bonjour", to=other)
    send(double, desk)
    double.wait_until_idle()
    assert desk.statuses() == ["undelivered"]


def test_a_template_needs_no_window(double: RunningDouble, desk: StubDesk) -> None:
    sid = double.add_content(text_content("salut", "Bonjour {{1}}"))
    double.sdk().messages.create(to=FATOU, from_=COMPANY, content_sid=sid, content_variables='{"1":"Fatou"}')
    double.wait_until_idle()
    assert [(each.status, each.body) for each in double.accepted()] == [("delivered", "")]


def test_a_document_is_fetched_and_can_be_seen(double: RunningDouble, desk: StubDesk, fatou: str) -> None:
    sid = send(double, desk, media_url=[f"{desk.url}/brochure.pdf"])
    double.wait_until_idle()
    assert sid.startswith("MM")
    [media] = double.accepted()[0].media
    assert (media.content_type, media.filename) == ("application/pdf", "brochure.pdf")
    assert [each.sid for each in double.sdk().messages(sid).media.list()] == [media.sid]


def test_a_document_that_cannot_be_fetched_fails_the_message(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    send(double, desk, media_url=[f"{desk.url}/nothing-here.pdf"])
    double.wait_until_idle()
    assert desk.statuses() == ["failed"]
    assert desk.calls[0].params["ErrorCode"] == "63019"


def test_a_lenient_double_does_without_files_elsewhere_and_not_of_the_desk(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    double.settings.lenient_media = True
    double.settings.reach = {desk.url: desk.url}
    for url in ("http://127.0.0.1:9/logo.png", f"{desk.url}/nothing-here.pdf"):
        send(double, desk, media_url=[url])
        double.wait_until_idle()
    assert [message.error_code for message in double.accepted()] == [None, 63019]


def test_a_callback_the_desk_refuses_is_tried_as_its_address_asks(
    double: RunningDouble, desk: StubDesk, fatou: str
) -> None:
    desk.answers = [500, 500]
    double.sdk().messages.create(
        to=fatou, from_=COMPANY, body="a", status_callback=f"{desk.url}/status#rc=2&rp=5xx"
    )
    double.wait_until_idle()
    assert desk.statuses() == ["sent", "sent", "sent", "delivered"]
    assert double.accepted()[0].callbacks == ["sent 200", "delivered 200"]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"<html>", "text/html"),
        (b"GIF89a", "image/gif"),
        (b"", "image/jpeg"),
        (bytes(5 * 1024 * 1024 + 1), "image/jpeg"),
        (bytes(16 * 1024 * 1024 + 1), "video/mp4"),
    ],
    ids=["page", "gif", "empty", "large picture", "large video"],
)
def test_a_file_that_whatsapp_does_not_take_fails_with_63019(
    double: RunningDouble, fatou: str, content: bytes, content_type: str
) -> None:
    async def file(request: Request) -> Response:
        return Response(content, media_type=content_type)

    elsewhere = ServerThread(Starlette(routes=[Route("/file", file)]))
    try:
        double.sdk().messages.create(to=FATOU, from_=COMPANY, media_url=[f"{elsewhere.url}/file"])
        double.wait_for(lambda: [m.error_code for m in double.accepted()] == [63019])
    finally:
        elsewhere.stop()
