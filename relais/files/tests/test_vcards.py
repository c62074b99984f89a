"""Reading contacts as phones send them."""

from relais.files.tests import samples
from relais.files.vcards import MAX_CONTACTS, parse_contacts


def test_a_card_of_whatsapp():
    card = (
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Kon\xc3\xa9;Ibrahim;;;\r\nFN:Ibrahim Kon\xc3\xa9\r\nORG:Garage\\, Nord;Atelier\r\n"
        b"item1.TEL;waid=2250708091011:+225 07 08 09 1011\r\nEMAIL;TYPE=work:ibrahim@example.com\r\nEND:VCARD\r\n"
    )
    assert parse_contacts(card) == [
        {
            "name": "Ibrahim Koné",
            "organization": "Garage, Nord, Atelier",
            "phones": [{"text": "+225 07 08 09 1011", "number": "+2250708091011"}],
            "emails": ["ibrahim@example.com"],
        }
    ]


def test_an_old_card_folded_and_quoted_printable():
    card = b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Kon=C3=A9;Ibra=\nhim;;;\nTEL;CELL:06 12 34\n 56 78\nEND:VCARD"
    (contact,) = parse_contacts(card)
    assert contact["name"] == "Ibrahim Koné"
    assert contact["phones"] == [{"text": "06 12 3456 78", "number": "0612345678"}]


def test_several_cards_up_to_a_bound():
    contacts = parse_contacts(samples.VCARD * (MAX_CONTACTS + 5))
    assert len(contacts) == MAX_CONTACTS
    assert contacts[0]["phones"][0]["number"] == "+212600000001"


def test_rubbish_is_no_contact():
    assert parse_contacts(b"\x00\xff\xfe:;==") == []
    assert parse_contacts(b"BEGIN:VCARD\nTEL:\x00\nEND:VCARD") == []
