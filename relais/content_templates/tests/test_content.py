"""What a template shows, and which values it needs."""

from relais.content_templates.content import Content, parse_types


def test_a_text_has_its_placeholders_in_the_order_of_their_numbers():
    content = parse_types({"twilio/text": {"body": "{{10}} {{2}} {{ 1 }} {{nom}} {{2}}"}})
    assert content.variables == ["1", "2", "10", "nom"]


def test_of_several_types_the_richest_is_sent():
    actions = [{"type": "QUICK_REPLY", "title": "Oui", "id": "y"}]
    types = {"twilio/text": {"body": "repli"}, "twilio/quick-reply": {"body": "Demain ?", "actions": actions}}
    content = parse_types(types)
    assert (content.body, [each.title for each in content.buttons]) == ("Demain ?", ["Oui"])


def test_a_card_shows_title_text_footer_and_buttons():
    actions = [{"type": "URL", "title": "Voir", "url": "https://a.example/{{2}}"}]
    card = {"header_text": "Devis {{1}}", "body": "Prêt.", "footer": "Atelier", "actions": actions}
    content = parse_types({"whatsapp/card": card}).fill({"1": "n° 4", "2": "x"})
    assert content.text == "Devis n° 4\nPrêt.\nAtelier"
    assert content.buttons[0].target == "https://a.example/x"


def test_a_card_without_body_shows_its_title_as_text():
    content = parse_types({"twilio/card": {"title": "Rappel {{1}}", "subtitle": "SAV"}})
    assert (content.title, content.body, content.footer, content.variables) == (
        "",
        "Rappel {{1}}",
        "SAV",
        ["1"],
    )


def test_a_list_shows_its_items_with_descriptions():
    items = [{"id": "a", "item": "Atelier", "description": "Entretien"}]
    content = parse_types({"twilio/list-picker": {"body": "Quoi ?", "button": "Choisir", "items": items}})
    assert content.list_button == "Choisir"
    assert [(each.kind, each.title, each.description) for each in content.buttons] == [
        ("ITEM", "Atelier", "Entretien")
    ]


def test_an_unknown_type_is_no_error():
    assert parse_types({"twilio/whatever": {"body": "x"}}).body == "x"
    assert parse_types({"twilio/whatever": None}) == Content()
    assert parse_types({}) == Content()


def test_a_value_without_a_placeholder_changes_nothing_and_values_are_not_filled_again():
    content = Content(body="{{1}} {{2}}")
    assert content.fill({"1": "{{2}}", "2": "b", "3": "c"}).body == "{{2}} b"


def test_stored_and_read_again_it_is_the_same():
    content = parse_types({"twilio/quick-reply": {"body": "a", "actions": [{"title": "Oui"}]}})
    assert Content.from_json(content.as_json()) == content
