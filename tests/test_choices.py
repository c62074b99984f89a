"""Choices under a message: WhatsApp's limits, and which choice breaks them."""

import pytest
from django.utils.translation import override

from relais.choices import Choice, InvalidChoices, check_question, choice_id, parse_choices


def refusal_of(kind, items, button=""):
    with pytest.raises(InvalidChoices) as refusal, override("fr"):
        parse_choices(kind, items, button)
    assert refusal.value.code == "choices_invalid"
    return str(refusal.value)


def titles(count):
    return [{"title": f"Créneau {n}"} for n in range(count)]


def test_buttons_and_lists_up_to_their_limits():
    buttons = parse_choices("buttons", [{"title": "x" * 20}, {"title": "Non"}, {"title": 3}])
    assert [item.title for item in buttons.items] == ["x" * 20, "Non", "3"]
    chosen = parse_choices("list", [{"title": "y" * 24, "description": "d" * 72}, *titles(9)], "Voir")
    assert (len(chosen.items), chosen.button) == (10, "Voir")
    assert chosen.items[0] == Choice("y" * 24, "d" * 72)


def test_a_list_has_a_button_of_its_own_if_none_is_given():
    with override("fr"):
        assert parse_choices("list", titles(1)).button == "Choisir"
    assert parse_choices("buttons", titles(1), "Voir").button == ""


@pytest.mark.parametrize(
    ("kind", "items", "sentence"),
    [
        ("menu", titles(1), "boutons"),
        ("buttons", [], "au moins un choix"),
        ("buttons", "Oui", "au moins un choix"),
        ("buttons", titles(4), "3 boutons au plus, il y en a 4"),
        ("list", titles(11), "10 lignes au plus"),
        ("buttons", [{"title": "Oui"}, {"title": "x" * 21}], "Choix 2, titre"),
        ("list", [{"title": "x" * 25}], "Choix 1, titre"),
        ("list", [{"title": "Oui", "description": "x" * 73}], "Choix 1, description"),
        ("buttons", [{"title": "Oui", "description": "vraiment"}], "Choix 1"),
        ("buttons", [{"title": "Oui"}, {"title": " "}], "Choix 2"),
        ("buttons", [{"title": "Oui"}, "Non"], "Choix 2"),
        ("buttons", [{"title": "Oui"}, {"title": "oui"}], "Choix 2"),
        ("buttons", [{"title": "{{1}}"}], "Choix 1"),
    ],
)
def test_a_refusal_says_which_choice_and_why(kind, items, sentence):
    assert sentence in refusal_of(kind, items).replace("\u202f", " ").replace("\xa0", " ")


def test_the_button_of_a_list_has_a_limit():
    assert "bouton de la liste" in refusal_of("list", titles(1), "x" * 21)


@pytest.mark.parametrize("text", ["x" * 1025, "Bonjour {{1}}"])
def test_a_question_has_limits_of_its_own(text):
    check_question("x" * 1024)
    with pytest.raises(InvalidChoices):
        check_question(text)


def test_the_same_content_has_the_same_hash_and_no_other():
    one, two = parse_choices("buttons", titles(2)), parse_choices("buttons", titles(2))
    assert one.content_hash("Quand ?") == two.content_hash("Quand ?")
    others = {
        one.content_hash("Où ?"),
        parse_choices("buttons", titles(3)).content_hash("Quand ?"),
        parse_choices("list", titles(2)).content_hash("Quand ?"),
    }
    assert len(others | {one.content_hash("Quand ?")}) == 4


def test_a_choice_is_found_by_its_id():
    chosen = parse_choices("buttons", titles(2))
    assert chosen.find(choice_id(1)) == chosen.items[1]
    assert chosen.find("choice-9") is None
    assert type(chosen).from_json(chosen.as_json()) == chosen
