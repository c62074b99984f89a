"""The commands that extract, compile and check message catalogues."""

import io
import re

import pytest

from relais.web import translations

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_package(tmp_path, monkeypatch):
    """A small package of its own, with a French template and module."""
    package = tmp_path / "relais"
    (package / "web" / "templates").mkdir(parents=True)
    (package / "web" / "templates" / "page.html").write_text(
        '<div>\n    {% trans "Clôturer" %}\n  {{ x }}</div>'
    )
    (package / "verbs.py").write_text('a = _("Envoyer")\nb = ngettext("un appel", "%(n)s appels", n)\n')
    (package / "tests").mkdir()
    (package / "tests" / "test_x.py").write_text('_("Jamais")')
    monkeypatch.setattr(translations, "PACKAGE", package)
    monkeypatch.setattr(translations, "LOCALE", package / "web" / "locale")
    return package


def catalogue(language="en"):
    return translations.catalog_path(language)


def translate(french, english, arabic="ع"):
    for path, text in ((catalogue(), english), (catalogue("ar"), arabic)):
        path.write_text(
            path.read_text().replace(f'msgid "{french}"\nmsgstr ""', f'msgid "{french}"\nmsgstr "{text}"')
        )


def translate_all():
    translate("Clôturer", "Close")
    translate("Envoyer", "Send")
    path = catalogue()
    path.write_text(
        path.read_text().replace('[0] ""', '[0] "one call"').replace('[1] ""', '[1] "%(n)s calls"')
    )
    path = catalogue("ar")
    path.write_text(re.sub(r'^(msgstr\[\d\]) ""', r'\1 "%(n)s ع"', path.read_text(), flags=re.MULTILINE))


def test_update_extracts_messages_of_templates_and_modules_but_not_of_tests(small_package):
    translations.update()
    text = catalogue().read_text()
    assert 'msgid "Clôturer"' in text
    assert 'msgid "Envoyer"' in text
    assert "Jamais" not in text


def test_french_holds_plurals_only(small_package):
    translations.update()
    assert 'msgstr[0] "un appel"' in catalogue("fr").read_text()
    assert "Envoyer" not in catalogue("fr").read_text()


def test_a_second_update_changes_nothing(small_package):
    translations.update()
    translate_all()
    before = catalogue().read_text()
    translations.update()
    assert catalogue().read_text() == before


def test_check_names_untranslated_messages(small_package):
    translations.update()
    problems = translations.check()
    for path in ("/en/", "/ar/"):
        in_catalogue = [sentence for sentence in problems if path in sentence]
        assert sorted(sentence.split("does not translate ")[1] for sentence in in_catalogue) == [
            "'Clôturer'.",
            "'Envoyer'.",
            "('un appel', '%(n)s appels').",
        ]
    translate_all()
    assert translations.check() == []


def test_check_finds_a_new_message(small_package):
    translations.update()
    translate_all()
    (small_package / "verbs.py").write_text('a = _("Renvoyer")')
    assert [sentence.split(" ", 1)[1] for sentence in translations.check() if "/en/" in sentence] == [
        "is not up to date: run `python -m relais.web.translations update`.",
        "does not translate 'Renvoyer'.",
    ]


def test_check_finds_a_lost_placeholder(small_package):
    translations.update()
    translate_all()
    catalogue().write_text(catalogue().read_text().replace("%(n)s calls", "%(m)s calls"))
    assert len(translations.check()) == 1


@pytest.mark.parametrize("english", ["Hello", "Hello {name}", "Hello %(name)s {name}"])
def test_check_wants_the_same_placeholders(small_package, english):
    (small_package / "verbs.py").write_text('a = _("Bonjour %(name)s")')
    translations.update()
    translate("Clôturer", "Close")
    translate("Bonjour %(name)s", english, "%(name)s ع")
    assert [sentence.split(": ")[-1] for sentence in translations.check()] == ["not the same placeholders."]


def test_arabic_has_six_forms_in_the_order_of_gettext(small_package):
    translations.update()
    text = catalogue("ar").read_text()
    assert "n%100>=11" in text.split("msgid", 2)[1]
    assert 'msgstr[5] ""' in text


def test_check_wants_each_of_the_six_forms(small_package):
    translations.update()
    translate_all()
    path = catalogue("ar")
    path.write_text(path.read_text().replace('msgstr[4] "%(n)s ع"', 'msgstr[4] ""'))
    assert [sentence.split(" ", 1)[1] for sentence in translations.check()] == [
        "does not translate ('un appel', '%(n)s appels')."
    ]


def test_compiled_catalogues_are_what_django_reads(small_package):
    translations.update()
    translate_all()
    translations.compile_all()
    import gettext

    compiled = gettext.GNUTranslations(io.BytesIO(catalogue().with_suffix(".mo").read_bytes()))
    assert compiled.gettext("Clôturer") == "Close"


@pytest.mark.parametrize("arguments", [[], ["all"], ["check", "now"]])
def test_an_unknown_command_shows_the_usage(arguments, capsys):
    assert translations.main(arguments) == 2
    assert "update, compile or check" in capsys.readouterr().err


def test_zero_is_singular_in_french():
    from django.utils import translation

    with translation.override("fr"):
        text = translation.ngettext("%(n)s chose demande une action", "x", 0)
    assert text == "%(n)s chose demande une action"


def test_a_page_in_english_is_english(client):
    client.cookies["django_language"] = "en"
    page = client.get("/accounts/login/").content.decode()
    assert "Sign in" in page
    assert "Se connecter" not in page
