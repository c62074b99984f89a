"""Every static file that a template or module names exists: a missing one would break the whole page."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

from relais import prepare
from relais.prepare import collect_static_files

PACKAGE = Path(__file__).resolve().parents[2]
STATIC_NAMES = sorted(
    {
        name
        for template in PACKAGE.glob("**/templates/**/*.html")
        for name in re.findall(r"{% static \"([^\"]+)\" %}", template.read_text())
    }
)
MODULES = sorted((PACKAGE / "web/static/js").glob("*.js"))


@pytest.mark.parametrize("name", STATIC_NAMES)
def test_static_files_of_templates_exist(name):
    assert finders.find(name)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imports_of_modules_exist(module):
    for name in re.findall(r"from \"\./([^\"]+)\"", module.read_text()):
        assert (module.parent / name).exists()


def test_every_style_sheet_is_imported():
    folder = PACKAGE / "web/static/css"
    imported = re.findall(r'^@import "\./([^"]+)";$', (folder / "relais.css").read_text(), re.MULTILINE)
    # The others are loaded by the templates of single pages.
    loaded = {name.removeprefix("css/") for name in STATIC_NAMES if name.startswith("css/")}
    assert not loaded & set(imported)
    assert sorted([*imported, *loaded]) == sorted(path.name for path in folder.glob("*.css"))


def test_imports_between_modules_have_hashed_names(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    [live] = (tmp_path / "js").glob("live.*.js")
    imported = re.findall(r"from \"\./([^\"]+)\"", live.read_text())
    assert imported
    assert all(re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name) for name in imported)


@pytest.fixture
def collected(tmp_path, settings):
    """Collects static files; returns whether they were written again."""
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}

    def collected():
        collect_static_files()
        manifest = settings.STATIC_ROOT / "staticfiles.json"
        before, after = getattr(collected, "at", None), manifest.stat().st_mtime_ns
        collected.at = after
        return before != after

    return collected


def test_static_files_are_collected_again_only_after_a_change(collected, monkeypatch):
    assert [collected(), collected()] == [True, False]
    monkeypatch.setattr(prepare, "version", lambda package: "another one")
    assert [collected(), collected()] == [True, False]


def test_removed_static_files_are_collected_again(collected, settings):
    collected()
    shutil.rmtree(settings.STATIC_ROOT)
    assert collected()


def test_partly_collected_static_files_are_collected_again(collected, monkeypatch):
    collected()
    monkeypatch.setattr(prepare, "version", lambda package: "another one")
    with monkeypatch.context() as broken:
        broken.setattr(prepare, "call_command", lambda *args, **more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            collect_static_files()
    monkeypatch.setattr(prepare, "version", version)
    assert collected()
