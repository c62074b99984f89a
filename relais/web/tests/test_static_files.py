"""Every file a page asks for is there: with hashed names a missing one would break the whole page."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

PACKAGE = Path(__file__).resolve().parents[2]
ASKED_FOR = sorted(
    {
        name
        for template in PACKAGE.glob("**/templates/**/*.html")
        for name in re.findall(r"{% static \"([^\"]+)\" %}", template.read_text())
    }
)
MODULES = sorted((PACKAGE / "web/static/js").glob("*.js"))


@pytest.mark.parametrize("name", ASKED_FOR)
def test_what_a_template_asks_for_is_there(name):
    assert finders.find(name)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_what_a_module_imports_is_there(module):
    for name in re.findall(r"from \"\./([^\"]+)\"", module.read_text()):
        assert (module.parent / name).exists()


def test_every_style_sheet_of_ours_is_linked():
    linked = {name.removeprefix("css/") for name in ASKED_FOR if name.startswith("css/")}
    assert {path.name for path in (PACKAGE / "web/static/css").glob("*.css")} == linked


def test_imports_between_modules_carry_the_hash_too(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    [live] = (tmp_path / "js").glob("live.*.js")
    imported = re.findall(r"from \"\./([^\"]+)\"", live.read_text())
    assert imported
    assert all(re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name) for name in imported)
