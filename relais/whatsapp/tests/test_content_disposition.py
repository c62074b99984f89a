"""File names in headers, as Twilio and what stands behind it give them, and as we do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relais.whatsapp.media.content_disposition import build_content_disposition, parse_filename


def as_http_libraries_hand_it_out(text):
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ("", ""),
        ("inline", ""),
        ("attachment; filename=contrat.pdf", "contrat.pdf"),
        ('attachment; filename="Facture 12.pdf"', "Facture 12.pdf"),
        ('INLINE; FileName="Facture 12.pdf"; size=12', "Facture 12.pdf"),
        (r'attachment; filename="un \"devis\" ; final.pdf"', 'un "devis" ; final.pdf'),
        ("attachment; filename*=UTF-8''r%C3%A9gl%C3%A9%20%F0%9F%9A%97.pdf", "réglé 🚗.pdf"),
        ("attachment; filename*=utf-8'fr'r%C3%A9gl%C3%A9.pdf", "réglé.pdf"),
        ("attachment; filename*=ISO-8859-1''r%E9gl%E9.pdf", "réglé.pdf"),
        ("attachment; filename=\"regle.pdf\"; filename*=UTF-8''r%C3%A9gl%C3%A9.pdf", "réglé.pdf"),
        ("attachment; filename*=UTF-8''r%C3%A9gl%C3%A9.pdf; filename=\"regle.pdf\"", "réglé.pdf"),
        ("attachment; filename*0*=UTF-8''r%C3%A9; filename*1=gle.pdf", "régle.pdf"),
        ("attachment; filename=\"repli.pdf\"; filename*=no-such-charset''x.pdf", "x.pdf"),
        ('attachment; filename="r%C3%A9gl%C3%A9.pdf"', "réglé.pdf"),
        ('attachment; filename="100% garanti.pdf"', "100% garanti.pdf"),
        ('attachment; filename="%FF%FE.pdf"', "%FF%FE.pdf"),
        ('attachment; filename="=?UTF-8?B?csOpZ2zDqS5wZGY=?="', "réglé.pdf"),
        (as_http_libraries_hand_it_out('attachment; filename="رخصة 🚗.pdf"'), "رخصة 🚗.pdf"),
        ('attachment; filename="r\xe9gl\xe9.pdf"', "réglé.pdf"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ('attachment; filename=""', ""),
        ("attachment; filename*=UTF-8''", ""),
        (";;;==", ""),
    ],
)
def test_the_file_name_is_parsed(header, filename):
    assert parse_filename(header) == filename


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=300))
def test_no_header_breaks_it(header):
    assert isinstance(parse_filename(header), str)
    assert isinstance(parse_filename(f"attachment; {header}"), str)
    assert isinstance(parse_filename(f"attachment; filename*={header}"), str)


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("devis 12.pdf", "inline; filename=\"devis 12.pdf\"; filename*=UTF-8''devis%2012.pdf"),
        (
            "réglé 🚗.pdf",
            "inline; filename=\"regle.pdf\"; filename*=UTF-8''r%C3%A9gl%C3%A9%20%F0%9F%9A%97.pdf",
        ),
        ("رخصة.pdf", "inline; filename=\"document.pdf\"; filename*=UTF-8''%D8%B1%D8%AE%D8%B5%D8%A9.pdf"),
        ("100% garanti.pdf", "inline; filename=\"100 garanti.pdf\"; filename*=UTF-8''100%25%20garanti.pdf"),
    ],
)
def test_a_file_name_is_written_in_both_forms(filename, header):
    assert build_content_disposition("inline", filename) == header
    assert parse_filename(header) == filename
