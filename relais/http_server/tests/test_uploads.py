"""Uploads of files for clients go to disk while they arrive, and are refused as soon as a file passes its limit."""

import gc
import os
import re
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
import requests
from django.conf import settings

from relais.conversations.models import ConversationEvent, MessageDelivery
from relais.files.channel_types import MAX_FILE_BYTES
from relais.files.models import StoredFile
from relais.files.tests import samples
from relais.http_server.connection_limits import ConnectionLimits, uvicorn_protocols
from tests.web_server import WebServer, session_cookie, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
BOUNDARY = "xxBOUNDARYxx"
CSRF = "a" * 32


@pytest.fixture
def web_server(transactional_db, settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"
    with WebServer(**uvicorn_protocols(ConnectionLimits())) as web_server:
        yield web_server


def cookies(user):
    return {settings.SESSION_COOKIE_NAME: session_cookie(user), settings.CSRF_COOKIE_NAME: CSRF}


def path(conversation):
    return f"/dashboard/chat/{conversation.pk}/send"


def send(web_server, user, conversation, *files, message="", json=True):
    return requests.post(
        web_server.url + path(conversation),
        data={"message": message, "csrfmiddlewaretoken": CSRF},
        files=[("files", (name, BytesIO(content))) for content, name in files],
        headers={"Accept": "application/json"} if json else {},
        cookies=cookies(user),
        timeout=60,
        allow_redirects=False,
    )


def part(name, filename=""):
    named = f'; filename="{filename}"' if filename else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()


def field(name, value):
    return part(name) + value.encode() + b"\r\n"


def begin_upload(web_server, user, conversation, body, *, length=50_000_000, accept="application/json"):
    """A socket on which the request has begun; its body is longer than what was sent."""
    sent = "; ".join(f"{name}={value}" for name, value in (cookies(user) if user else {}).items())
    head = (
        f"POST {path(conversation)} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nCookie: {sent}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", web_server.port), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def read_response(connection):
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    return received.decode()


def test_files_arrive_whole(web_server, awa, held_by_awa):
    video = samples.mp4(payload=os.urandom(MAX_FILE_BYTES - 1000))
    response = send(
        web_server, awa, held_by_awa, (video, "film.mp4"), (samples.PDF, "devis.pdf"), message="Voici"
    )
    assert response.status_code == 200, response.text
    assert [each["status"] for each in response.json()["events"]] == ["queued", "queued"]
    stored = StoredFile.objects.get(content_type="video/mp4")
    assert b"".join(stored.read()) == video


def test_a_file_over_the_limit_is_answered_before_its_end(web_server, awa, held_by_awa):
    body = field("csrfmiddlewaretoken", CSRF) + field("message", "Voici") + part("files", "film.mp4")
    with begin_upload(web_server, awa, held_by_awa, body + bytes(MAX_FILE_BYTES + 70_000)) as connection:
        answer = read_response(connection)
    assert " 422 " in answer.splitlines()[0]
    assert '"media_too_large"' in answer and "film.mp4" in answer
    assert StoredFile.objects.count() == 0


def test_without_scripts_the_text_is_not_lost(web_server, awa, held_by_awa):
    body = field("csrfmiddlewaretoken", CSRF) + field("message", "Mon long texte") + part("files", "film.mp4")
    with begin_upload(
        web_server, awa, held_by_awa, body + bytes(MAX_FILE_BYTES + 70_000), accept="text/html"
    ) as connection:
        answer = read_response(connection)
    assert " 422 " in answer.splitlines()[0]
    assert "Mon long texte" in answer and "film.mp4" in answer


def test_a_declared_length_that_no_ten_files_have_is_answered_at_once(web_server, awa, held_by_awa):
    body = field("csrfmiddlewaretoken", CSRF) + field("message", "Voici") + part("files", "film.mp4")
    with begin_upload(web_server, awa, held_by_awa, body, length=900_000_000) as connection:
        answer = read_response(connection)
    assert " 422 " in answer.splitlines()[0] and '"media_too_large"' in answer


def test_the_eleventh_file_is_answered_at_once(web_server, awa, held_by_awa):
    body = field("csrfmiddlewaretoken", CSRF)
    body += b"".join(part("files", f"{n}.pdf") + samples.PDF + b"\r\n" for n in range(11))
    with begin_upload(web_server, awa, held_by_awa, body) as connection:
        answer = read_response(connection)
    assert " 422 " in answer.splitlines()[0] and '"too_many_files"' in answer


def test_nothing_is_read_of_what_strangers_upload(web_server, held_by_awa):
    with begin_upload(web_server, None, held_by_awa, part("files", "x.pdf")) as connection:
        answer = read_response(connection)
    assert " 401 " in answer.splitlines()[0] and '"login"' in answer


def test_an_upload_needs_the_token_of_the_form(web_server, awa, held_by_awa):
    response = requests.post(
        web_server.url + path(held_by_awa),
        files=[("files", ("devis.pdf", BytesIO(samples.PDF)))],
        headers={"Accept": "application/json"},
        cookies=cookies(awa),
        timeout=30,
    )
    assert (response.status_code, response.json()["code"]) == (403, "csrf")


def test_an_upload_cut_in_the_middle_stores_nothing(web_server, awa, held_by_awa, settings):
    body = field("csrfmiddlewaretoken", CSRF) + part("files", "devis.pdf") + samples.PDF + bytes(700_000)
    connection = begin_upload(web_server, awa, held_by_awa, body)
    spool = web_server.application.router.default.app.spool
    wait_until(lambda: spool.bytes > 0)
    connection.close()
    wait_until(lambda: spool.bytes == 0)
    assert StoredFile.objects.count() == 0
    assert ConversationEvent.objects.filter(event_type="agent_message").count() == 0
    assert [each for each in settings.UPLOAD_FOLDER.rglob("*") if each.is_file()] == []
    assert send(web_server, awa, held_by_awa, (samples.PDF, "devis.pdf")).status_code == 200


def test_what_is_no_multipart_body_is_400(web_server, awa, held_by_awa):
    with begin_upload(web_server, awa, held_by_awa, b"nonsense" * 10, length=80) as connection:
        assert b" 400 " in connection.recv(100)


def test_too_many_uploads_at_once_are_refused(web_server, awa, held_by_awa, monkeypatch):
    monkeypatch.setattr("relais.http_server.upload_spool.MAX_SPOOLED_BYTES", 300_000)
    response = send(web_server, awa, held_by_awa, (samples.mp4(payload=bytes(900_000)), "film.mp4"))
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")


def test_a_text_with_too_many_characters_of_fields_is_413(web_server, awa, held_by_awa):
    response = send(web_server, awa, held_by_awa, (samples.PDF, "a.pdf"), message="x" * 2_100_000)
    assert response.status_code == 413


UPLOAD = """
import sys, requests
url, path, csrf, cookies = sys.argv[1], sys.argv[2], sys.argv[3], dict(each.split("=", 1) for each in sys.argv[4:])
head = b'--B\\r\\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\\r\\n\\r\\n' + csrf.encode()
head += b'\\r\\n--B\\r\\nContent-Disposition: form-data; name="files"; filename="film.mp4"\\r\\n\\r\\n'
body = head + open(path, "rb").read() + b"\\r\\n--B--\\r\\n"
response = requests.post(url, data=body, cookies=cookies, timeout=60,
    headers={"Accept": "application/json", "Content-Type": "multipart/form-data; boundary=B"})
assert response.status_code == 200, response.text
"""


def peak_bytes():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


def test_an_upload_of_16_mb_is_not_held_in_memory(web_server, awa, held_by_awa, tmp_path):
    """The memory of this process, in which the web server runs; the client is another one. It prints the figure."""
    video = tmp_path / "film.mp4"
    pairs = [f"{name}={value}" for name, value in cookies(awa).items()]
    command = [sys.executable, "-c", UPLOAD, web_server.url + path(held_by_awa), str(video), CSRF, *pairs]
    for size in (10, 3_000_000):  # What is loaded once does not count.
        video.write_bytes(samples.mp4(payload=bytes(size)))
        subprocess.run(command, check=True, timeout=120)
    video.write_bytes(samples.mp4(payload=bytes(MAX_FILE_BYTES - 1000)))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # The peak is counted from here.
    before = peak_bytes()
    subprocess.run(command, check=True, timeout=120)
    grown = peak_bytes() - before
    print(f"an upload of 16 MB: {grown / 1e6:.1f} MB of memory")
    assert grown < 4_000_000
    assert MessageDelivery.objects.filter(event__event_type="agent_message").count() == 3
