"""French texts have no-break spaces before punctuation, wherever they are written."""

import re
from pathlib import Path

import pytest
from django.utils import translation

import relais
from relais.company import company_settings
from relais.flows.library import path_of
from relais.flows.library.build import BUILDERS
from relais.typography import NO_BREAK_SPACE, typeset, typeset_markdown
from relais.web.translations import extract_messages

PACKAGE = Path(relais.__file__).parent
DOCUMENTS = sorted((PACKAGE.parent / "docs" / "fr").glob("*.md"))
TEMPLATES = sorted(path for path in PACKAGE.rglob("templates/**/*") if path.suffix in (".html", ".txt"))
EMULATOR = sorted((PACKAGE / "emulator" / "static").rglob("*.js"))
SCRIPTS = [*EMULATOR, *sorted((PACKAGE / "web" / "static" / "js").glob("*.js"))]
TRANSLATED = re.compile(r"\{%-?\s*(blocktrans(?:late)?)\b.*?\{%\s*end\1\s*%\}", re.DOTALL)
TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Êtes-vous là ?", "Êtes-vous là~?"),
        ("Merci ! À bientôt ; oui : « non »", "Merci~! À bientôt~; oui~: «~non~»"),
        ("Un agent : %(name)s", "Un agent~: %(name)s"),
        ("« {marque} » répond.", "«~{marque}~» répond."),
        ("a != b", "a != b"),
        ("| :--- | ---: |", "| :--- | ---: |"),
        ("https://desk.example/?a=1", "https://desk.example/?a=1"),
        (":) 14:05", ":) 14:05"),
    ],
)
def test_where_a_no_break_space_is_set(typed, expected):
    result = typeset(typed)
    assert result.replace(NO_BREAK_SPACE, "~") == expected
    assert typeset(result) == result


def test_code_in_a_document_is_not_typeset():
    text = "Oui ? `a ? b` : non\n```\na ? b : c\n```\n"
    assert typeset_markdown(text).replace(NO_BREAK_SPACE, "~") == "Oui~? `a ? b`~: non\n```\na ? b : c\n```\n"


def translations_of(message):
    if message.pluralizable:
        return [translation.ngettext(*message.id, n) for n in (1, 2)]
    if message.context:
        return [translation.pgettext(message.context, message.id)]
    return [translation.gettext(message.id)]


def test_texts_of_pages():
    with translation.override("fr"):
        texts = [text for message in extract_messages() if message.id for text in translations_of(message)]
    assert len(texts) > 500
    assert [text for text in texts if typeset(text) != text] == []


def test_a_text_with_such_spaces_is_still_translated():
    with translation.override("en"):
        assert translation.gettext("Êtes-vous sûr ?") == "Êtes-vous sûr ?"
        assert translation.gettext("Clôturer cette conversation ?") == "Close this conversation?"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_untranslated_texts_of_templates(path):
    for line in TAGS.sub("x", TRANSLATED.sub("x", path.read_text())).splitlines():
        assert typeset(line) == line


def strings_of(script):
    """The string literals of a script, with an x for each placeholder."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith(("//", "*", "/*"))]
    code, replacements = "\n".join(lines), 1
    while replacements:
        code, replacements = re.subn(r"\$\{[^{}]*\}", "x", code)
    return re.findall(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`', code)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_texts_of_scripts(path):
    strings = strings_of(path.read_text())
    assert [text for text in strings if typeset(text) != text] == []


def test_string_literals_of_a_script_are_found():
    assert strings_of('a = b ? "" : `${c ? `${d} ` : ""}, e`; // "no"\nf("Non : g")') == [
        '""',
        "`x, e`",
        '"no"',
        '"Non : g"',
    ]


@pytest.mark.parametrize("name", BUILDERS)
def test_texts_of_flows(name):
    text = path_of(name).read_text(encoding="utf-8")
    assert typeset(text) == text


@pytest.mark.parametrize(
    "definition", company_settings.EDITABLE_SETTINGS, ids=lambda definition: definition.key
)
def test_default_texts_of_settings(definition):
    assert not isinstance(definition.default(), str) or typeset(definition.default()) == definition.default()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_guides(path):
    text = path.read_text(encoding="utf-8")
    assert typeset_markdown(text) == text, f"run python -m relais.typography docs/fr/{path.name}"
