"""Twilio fetches the files of messages by signed links; everything else is the same 404."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
import requests
from django.utils import timezone
from starlette.applications import Starlette

from relais.conversations.models import MessageDelivery
from relais.emulator.testing import ServerThread
from relais.files import fetch_links
from relais.files.models import store_file
from relais.files.tests import samples
from relais.files.uploads import OutgoingFile
from relais.whatsapp.media import twilio_fetch
from relais.whatsapp.tests.conftest import claim_and_send
from tests.cast import FATOU, MachineClock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock():
    """The machine's clock, which the sender and the double use."""
    return MachineClock()


@pytest.fixture
def conversation(held_by_awa):
    """The text of the take-over has left."""
    MessageDelivery.objects.update(state="sent", sid="SM1")
    return held_by_awa


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path / "media"


@pytest.fixture
def nodes():
    """Two web processes that share database and storage."""
    servers = [ServerThread(Starlette(routes=twilio_fetch.routes)) for _n in range(2)]
    yield [server.url for server in servers]
    for server in servers:
        server.stop()


@pytest.fixture
def delivery(conversation, awa, clock):
    file = store_file(BytesIO(samples.PDF), content_type="application/pdf", at=timezone.now())
    [delivery] = conversation.send_files_as_agent(
        "", [OutgoingFile(file, "application/pdf", "Devis été.pdf")], agent=awa, at=clock.now
    )
    assert delivery.claim(by="sender", at=timezone.now())
    return delivery


def path(delivery, at=None):
    media = delivery.event.media.get()
    url = fetch_links.fetch_url(
        media.pk, filename=media.filename, content_type=media.content_type, at=at or timezone.now()
    )
    return url.removeprefix("https://desk.example")


def test_the_file_is_served_by_each_process_without_a_session(nodes, delivery):
    for node in nodes:
        response = requests.get(node + path(delivery), timeout=30)
        assert (response.status_code, response.content) == (200, samples.PDF)
        assert response.headers["Content-Type"] == "application/pdf"
        assert response.headers["Content-Disposition"] == 'inline; filename="Devis-ete.pdf"'
        assert "Set-Cookie" not in response.headers


def test_head_answers_type_and_length(nodes, delivery):
    response = requests.head(nodes[0] + path(delivery), timeout=30)
    assert (response.status_code, response.headers["Content-Length"]) == (200, str(len(samples.PDF)))
    assert (response.headers["Content-Type"], response.content) == ("application/pdf", b"")


@pytest.mark.parametrize(
    ("given", "status", "span"),
    [
        ("bytes=0-3", 206, (0, 4)),
        ("bytes=5-", 206, (5, None)),
        ("bytes=-6", 206, (-6, None)),
        ("bytes=0-99999", 200, (0, None)),
        ("bytes=99999-", 416, None),
        ("bytes=5-2", 416, None),
        ("bytes=0-1,3-4", 200, (0, None)),
        ("lines=1-2", 200, (0, None)),
        ("bytes=-", 200, (0, None)),
    ],
)
def test_ranges(nodes, delivery, given, status, span):
    response = requests.get(nodes[0] + path(delivery), headers={"Range": given}, timeout=30)
    assert response.status_code == status
    expected = samples.PDF[slice(*span)] if span else b""
    assert response.content == expected
    if status == 206:
        start = samples.PDF.index(expected)
        assert (
            response.headers["Content-Range"]
            == f"bytes {start}-{start + len(expected) - 1}/{len(samples.PDF)}"
        )


def get(node, path):
    response = requests.get(node + path, timeout=30)
    return response.status_code, response.content, sorted(set(response.headers) - {"date", "Date"})


def test_everything_else_is_the_same_404(nodes, delivery):
    node, good = nodes[0], path(delivery)
    token, name = good.split("/")[2:]
    wrong = [
        path(delivery, at=timezone.now() - timedelta(hours=1)),
        good.removesuffix("pdf") + "txt",
        f"/media/{token}x/{name}",
        f"/media/x/{name}",
        f"/media/{'A' * 5000}/{name}",
        f"/media/%00/{name}",
    ]
    answers = {get(node, each)[0:2] for each in wrong}
    assert answers == {(404, b"Not found.")}
    assert get(node, "/media/")[0] == get(node, f"/media/{token}/")[0] == 404
    assert requests.post(node + good, timeout=30).status_code == 405


@pytest.mark.parametrize(
    "change",
    [
        {"state": "refused", "reason": "undone"},
        {"state": "refused", "reason": "taken_over"},
        {"state": "failed"},
        {"state": "queued", "attempt": 0},
    ],
)
def test_a_message_that_does_not_leave_has_no_file(nodes, delivery, change):
    link = path(delivery)
    assert get(nodes[0], link)[0] == 200
    MessageDelivery.objects.filter(pk=delivery.pk).update(**change)
    assert get(nodes[0], link)[:2] == (404, b"Not found.")


# -- with the double --------------------------------------------------------------------------------------


@pytest.fixture
def reached(double, nodes, settings):
    """The double fetches from this web process."""
    hooks = double.settings.reach[settings.PUBLIC_BASE_URL]
    double.settings.reach = {
        f"{settings.PUBLIC_BASE_URL}/media/": f"{nodes[0]}/media/",
        settings.PUBLIC_BASE_URL: hooks,
    }
    double.open_window(FATOU)
    return double


def queued_file(
    conversation, awa, content=samples.PDF, content_type="application/pdf", name="devis.pdf", text=""
):
    file = store_file(BytesIO(content), content_type=content_type, at=timezone.now())
    return conversation.send_files_as_agent(
        text, [OutgoingFile(file, content_type, name)], agent=awa, at=timezone.now()
    )[-1]


def states(delivery, double, state):
    def reached_state():
        delivery.refresh_from_db()
        return delivery.state == state

    double.wait_for(reached_state)
    return delivery


def test_twilio_downloads_the_file_and_the_phone_has_it(reached, sender, conversation, awa):
    delivery = queued_file(
        conversation, awa, samples.picture(exif=False), "image/jpeg", "a.jpg", text="Voici"
    )
    states(delivery, reached, "delivered")
    [message] = [each for each in reached.accepted() if each.media]
    assert message.body == "Voici"
    media, content = reached.double.media.get(message.media[0].sid)
    assert (content, media.content_type, media.filename) == (
        samples.picture(exif=False),
        "image/jpeg",
        "a.jpg",
    )
    assert "media_url" not in delivery.event.metadata


def test_a_fetch_that_fails_is_shown_and_a_resend_works(reached, sender, conversation, awa, nodes, settings):
    good = reached.settings.reach
    reached.settings.reach = {
        f"{settings.PUBLIC_BASE_URL}/media/": f"{nodes[0]}/nowhere/",
        settings.PUBLIC_BASE_URL: good[settings.PUBLIC_BASE_URL],
    }
    delivery = states(queued_file(conversation, awa), reached, "failed")
    assert delivery.error_code == 63019 and delivery.error
    reached.settings.reach = good
    again = conversation.resend(delivery.event, agent=awa, at=timezone.now())
    states(again, reached, "delivered")


def test_a_public_address_on_this_machine_is_a_sentence(conversation, awa, settings):
    delivery = queued_file(conversation, awa)
    settings.PUBLIC_BASE_URL = "http://localhost:8000"
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_api_base_url="")
    claim_and_send(delivery.pk, by="sender")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt) == ("failed", 1)
    assert "PUBLIC_BASE_URL" in delivery.error


def test_a_requeued_message_gets_a_new_link(reached, conversation, awa):
    reached.fault("create", "429", times=1)
    delivery = queued_file(conversation, awa)
    claim_and_send(delivery.pk, by="sender")
    delivery.refresh_from_db()
    assert (delivery.state, "media_url" in delivery.event.metadata) == ("queued", False)
    MessageDelivery.objects.filter(pk=delivery.pk).update(not_before=timezone.now())
    claim_and_send(delivery.pk, by="sender")
    states(delivery, reached, "delivered")


def test_a_lost_answer_is_resolved_by_the_log(reached, sender, conversation, awa):
    reached.fault("create", "no_answer", times=1)
    reached.fault("status", "never")
    delivery = queued_file(conversation, awa)

    def has_sid():
        delivery.refresh_from_db()
        return bool(delivery.sid)

    reached.wait_for(has_sid)
    assert len([each for each in reached.accepted() if each.media]) == 1
