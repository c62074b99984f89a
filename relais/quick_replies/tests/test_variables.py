from datetime import date

import pytest

from relais.quick_replies.variables import FillContext, context_for, fill, unknown_variables

CONTEXT = FillContext("Fatou Diallo", "Awa Diop", "Étoile", date(2026, 11, 30), "fr")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Bonjour {client},", "Bonjour Fatou Diallo,"),
        ("{prénom} {Prenom} {PRÉNOM}", "Fatou Fatou Fatou"),
        ("{agent}, {marque} ou {brand}", "Awa Diop, Étoile ou Étoile"),
        ("Nous sommes le {date}.", "Nous sommes le lundi 30 novembre 2026."),
        ("{inconnue} reste", "{inconnue} reste"),
        ("sans variable { }", "sans variable { }"),
    ],
)
def test_variables_are_filled(text, filled):
    assert fill(text, CONTEXT) == filled


def test_a_client_without_a_name_leaves_no_gap():
    nameless = FillContext("", "Awa", "Étoile", date(2026, 11, 30), "fr")
    assert fill("Bonjour {prénom}, ici {agent}.", nameless) == "Bonjour, ici Awa."


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", "lundi 30 novembre 2026"), ("en", "Monday, November 30, 2026"), ("ar", "الاثنين، 30 نونبر 2026")],
)
def test_the_date_is_in_the_words_of_the_language(language, words):
    context = FillContext("", "", "", date(2026, 11, 30), language)
    assert fill("{date}", context) == words


def test_unknown_variables_are_named_once():
    assert unknown_variables("{client} {vehicule} {vehicule} {}") == ["vehicule", ""]


def test_a_value_with_braces_is_not_filled_again():
    context = FillContext("{agent}", "Awa", "Étoile", date(2026, 11, 30), "fr")
    assert fill("{client}", context) == "{agent}"


@pytest.mark.django_db
def test_the_context_of_a_conversation(held_by_awa, awa):
    context = context_for(awa, held_by_awa)
    assert (context.client_name, context.agent_name, context.brand) == ("Fatou", "Awa Diop", "Mercedes-Benz")


@pytest.mark.django_db
def test_the_signature_is_that_of_the_profile(held_by_awa, awa):
    assert fill("À bientôt {signature}", context_for(awa, held_by_awa)) == "À bientôt"
    awa.signature = "Awa, service client"
    assert fill("À bientôt {signature}", context_for(awa, held_by_awa)) == "À bientôt Awa, service client"
