"""collectstatic bundles style sheets and modules: in order, each module once, unsupported forms refused."""

import re

import pytest
from django.core.management import call_command

from relais.web import bundles
from relais.web.bundles import CannotBundle
from relais.web.tests.test_static_files import PACKAGE

ENTRIES = ("every_page.js", "list_page.js", "chat_page.js")


@pytest.fixture
def static_root(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "relais.web.storage.Storage"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def bundle(**modules):
    files = {f"{name}.js": text for name, text in modules.items()}
    return bundles.module_bundle("entry.js", files.__getitem__)


def style_sheets():
    return {path.name for path in (PACKAGE / "web/static/css").glob("*.css")}


def sheets_of_single_pages():
    """Those that a template loads by itself, so that other pages do not pay for them."""
    templates = "".join(path.read_text() for path in PACKAGE.glob("**/templates/**/*.html"))
    return set(re.findall(r"""{% static "css/([\w-]+\.css)" %}""", templates)) - {"relais.css"}


def test_one_sheet_contains_every_other_in_order(static_root):
    [sheet] = static_root.glob("css/relais.*.css")
    text = sheet.read_text()
    assert "@import" not in text
    names = re.findall(r"^/\* ([\w-]+\.css) \*/$", text, re.MULTILINE)
    assert names[0] == "tokens.css"
    assert names[-1] == "utilities.css"
    assert set(names) == style_sheets() - sheets_of_single_pages() - {"relais.css"}
    assert text.index("@layer reset, base, components, utilities;") < text.index("@layer components {")
    assert (sheet.parent / f"{sheet.name}.gz").exists()


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_one_module_without_imports(static_root, entry):
    [module] = static_root.glob(f"js/{entry.removesuffix('.js')}.*.js")
    text = module.read_text()
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    names = re.findall(r"^// ([\w-]+\.js)$", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert names[-1] == entry
    assert names.index("notices.js") < names.index("session_expiry.js") < names.index("live.js")


def test_a_changed_sheet_is_in_the_next_collection(static_root, monkeypatch):
    """The bundle replaces the copy of its source and is newer: it must not count as up to date."""
    original = bundles._sheet
    monkeypatch.setattr(
        bundles, "_sheet", lambda name, read: original(name, read) + "\n.added { color: red; }"
    )
    call_command("collectstatic", interactive=False, verbosity=0)
    assert any(".added" in path.read_text() for path in static_root.glob("css/relais.*.css"))


def test_modules_come_once_and_after_their_dependencies():
    text = bundle(
        entry='// What a page runs.\nimport "./a.js";\nimport "./b.js";\n',
        a='import { c as d } from "./c.js";\nd();\n',
        b='import { c } from "./c.js";\nc();\n',
        c="export function c() {}\nexport const E = 1;\n",
    )
    assert re.findall(r"^const (\S+) =", text, re.MULTILINE)[:1] == ["$c"]
    assert text.count("function c()") == 1
    assert "return { c, E };" in text
    assert "const { c: d } = $c;" in text


@pytest.mark.parametrize(
    "module",
    [
        'import x from "./c.js";\n',
        'import * as x from "./c.js";\n',
        'const x = await import("./c.js");\n',
        "export default 1;\n",
        "export let x = 1;\n",
        "const x = 1;\nexport { x };\n",
    ],
)
def test_an_unsupported_form_is_refused(module):
    with pytest.raises(CannotBundle, match=r"a\.js"):
        bundle(entry='import "./a.js";\n', a=module, c="export const x = 1;\n")


def test_an_import_cycle_is_refused():
    with pytest.raises(CannotBundle, match="imports itself"):
        bundle(entry='import "./a.js";\n', a='import "./b.js";\n', b='import "./a.js";\n')


def test_only_a_module_of_imports_alone_is_a_bundle():
    assert bundles.is_module_bundle('// Words.\nimport "./a.js";\n')
    assert not bundles.is_module_bundle('import "./a.js";\nrun();\n')
    assert not bundles.is_module_bundle("run();\n")
