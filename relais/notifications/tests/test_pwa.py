"""The manifest, the service worker and the offline page, as any browser gets them."""

import io
import json
import re
import struct
import wave
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from relais.accounts.models import Sound
from relais.notifications import assets, pwa
from relais.web.headers import HEADERS

pytestmark = pytest.mark.django_db


def png_size(name):
    header = Path(finders.find(f"img/{name}")).read_bytes()
    assert header.startswith(b"\x89PNG")
    return struct.unpack(">II", header[16:24])


class TestManifest:
    def test_it_makes_the_site_installable_without_signing_in(self, client):
        response = client.get("/manifest.webmanifest")
        assert response["Content-Type"] == "application/manifest+json"
        manifest = response.json()
        assert (manifest["scope"], manifest["display"]) == ("/", "standalone")
        assert manifest["name"] == "Relais · Mercedes-Benz"
        purposes = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
        assert purposes == {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")}

    def test_its_icons_have_the_size_they_say(self, client):
        for icon in client.get("/manifest.webmanifest").json()["icons"]:
            width, height = png_size(icon["src"].rpartition("/")[2])
            assert f"{width}x{height}" == icon["sizes"]

    def test_it_speaks_the_users_language(self, client, awa):
        awa.language = "en"
        awa.save()
        client.force_login(awa)
        assert client.get("/manifest.webmanifest").json()["lang"] == "en"

    def test_every_page_links_it(self, client, awa):
        link = '<link rel="manifest" href="/manifest.webmanifest"'
        assert link in client.get("/accounts/login/").content.decode()
        client.force_login(awa)
        assert link in client.get("/dashboard").content.decode()


class TestServiceWorker:
    def test_its_scope_is_the_whole_site_under_the_same_policy(self, client):
        response = client.get("/sw.js")
        assert response["Content-Type"].startswith("text/javascript")
        assert response["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        assert response["Cache-Control"] == "no-store"

    def test_it_stores_the_offline_page_and_its_files_only(self, client):
        script = client.get("/sw.js").content.decode()
        shell = json.loads(re.search(r"^const SHELL = (.*);$", script, re.MULTILINE)[1])
        assert shell[0] == reverse("offline")
        assert not [path for path in shell if path.startswith("/dashboard")]
        page = client.get("/offline").content.decode()
        for path in shell[1:]:
            assert path in page

    def test_its_cache_has_a_new_name_when_the_offline_page_changes(self, client, monkeypatch):
        before = client.get("/sw.js").content
        assert before == client.get("/sw.js").content
        monkeypatch.setattr(pwa, "offline_page", lambda: "another page")
        assert before != client.get("/sw.js").content

    def test_the_offline_page_is_the_same_for_everybody(self, client, awa):
        anonymous = client.get("/offline").content
        client.force_login(awa)
        assert client.get("/offline").content == anonymous

    @pytest.mark.parametrize("path", ["/manifest.webmanifest", "/sw.js", "/offline"])
    def test_they_are_read_only(self, client, path):
        assert client.post(path).status_code == 405


class TestSound:
    @pytest.mark.parametrize("name", assets.TONES)
    def test_the_file_is_what_the_script_computes(self, name):
        assert Path(finders.find(f"sound/{name}.wav")).read_bytes() == assets.wave_file(assets.TONES[name])

    def test_every_choice_has_a_file(self):
        assert {*assets.TONES, ""} == set(Sound.values)

    @pytest.mark.parametrize("name", assets.TONES)
    def test_it_is_short_and_not_loud(self, name):
        with wave.open(io.BytesIO(assets.wave_file(assets.TONES[name]))) as sound:
            assert sound.getnframes() / sound.getframerate() < 1
            samples = struct.unpack(f"<{sound.getnframes()}h", sound.readframes(sound.getnframes()))
        assert 5_000 < max(map(abs, samples)) < 20_000
