"""The tool that keeps the English catalogue complete."""

import io

import pytest

from relais.web import translations

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
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


def translate(french, english):
    path = catalogue()
    path.write_text(
        path.read_text().replace(f'msgid "{french}"\nmsgstr ""', f'msgid "{french}"\nmsgstr "{english}"')
    )


def translate_all():
    translate("Clôturer", "Close")
    translate("Envoyer", "Send")
    path = catalogue()
    path.write_text(
        path.read_text().replace('[0] ""', '[0] "one call"').replace('[1] ""', '[1] "%(n)s calls"')
    )


def test_update_finds_what_templates_and_modules_say_but_not_tests(elsewhere):
    translations.update()
    text = catalogue().read_text()
    assert 'msgid "Clôturer"' in text
    assert 'msgid "Envoyer"' in text
    assert "Jamais" not in text


def test_french_holds_plurals_only(elsewhere):
    translations.update()
    assert 'msgstr[0] "un appel"' in catalogue("fr").read_text()
    assert "Envoyer" not in catalogue("fr").read_text()


def test_a_second_update_changes_nothing(elsewhere):
    translations.update()
    translate_all()
    before = catalogue().read_text()
    translations.update()
    assert catalogue().read_text() == before


def test_check_names_what_is_not_translated(elsewhere):
    translations.update()
    wrong = translations.check()
    assert sorted(sentence.split("does not translate ")[1] for sentence in wrong) == [
        "'Clôturer'.",
        "'Envoyer'.",
        "('un appel', '%(n)s appels').",
    ]
    translate_all()
    assert translations.check() == []


def test_check_sees_that_a_source_says_something_new(elsewhere):
    translations.update()
    translate_all()
    (elsewhere / "verbs.py").write_text('a = _("Renvoyer")')
    assert [sentence.split(" ", 1)[1] for sentence in translations.check() if "/en/" in sentence] == [
        "is not up to date: run `python -m relais.web.translations update`.",
        "does not translate 'Renvoyer'.",
    ]


def test_check_sees_a_placeholder_that_got_lost(elsewhere):
    translations.update()
    translate_all()
    catalogue().write_text(catalogue().read_text().replace("%(n)s calls", "%(m)s calls"))
    assert len(translations.check()) == 1


def test_compiled_catalogues_are_what_django_reads(elsewhere):
    translations.update()
    translate_all()
    translations.compile_all()
    import gettext

    compiled = gettext.GNUTranslations(io.BytesIO(catalogue().with_suffix(".mo").read_bytes()))
    assert compiled.gettext("Clôturer") == "Close"


@pytest.mark.parametrize("arguments", [[], ["all"], ["check", "now"]])
def test_a_bad_command_is_told_what_there_is(arguments, capsys):
    assert translations.main(arguments) == 2
    assert "update, compile or check" in capsys.readouterr().err


def test_nought_is_singular_in_french():
    from django.utils import translation

    with translation.override("fr"):
        said = translation.ngettext("%(n)s chose demande une action", "x", 0)
    assert said == "%(n)s chose demande une action"


def test_a_page_in_english_is_english(client):
    client.cookies["django_language"] = "en"
    page = client.get("/accounts/login/").content.decode()
    assert "Sign in" in page
    assert "Se connecter" not in page
