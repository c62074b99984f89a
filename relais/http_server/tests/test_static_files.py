"""Static files: caching, compression, and that nothing else is served."""

import gzip

import pytest
import requests
from django.core.management import call_command

from tests.web_server import WebServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def web_server(transactional_db, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    with WebServer() as web_server:
        yield web_server


def send_request(web_server, path, *, method="GET", **options):
    return requests.request(method, f"http://127.0.0.1:{web_server.port}{path}", timeout=30, **options)


def test_files_with_a_hash_in_their_name_are_cached_for_ever(web_server):
    from django.contrib.staticfiles.storage import staticfiles_storage

    url = staticfiles_storage.url("js/live.js")
    response = send_request(web_server, url, stream=True, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Cache-Control"] == "max-age=315360000, public, immutable"
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert b"relais:row" in gzip.decompress(response.raw.read())
    assert "immutable" not in send_request(web_server, "/static/js/live.js").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/static/none.css", "/static/../settings.py", "/static/%2e%2e/settings.py", "/static/"]
)
def test_only_collected_files_are_served(web_server, path):
    assert send_request(web_server, path).status_code == 404
