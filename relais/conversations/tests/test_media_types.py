"""Labels, extensions and safe file names of received files, whatever the sender wrote."""

import unicodedata

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from relais.conversations.media_types import (
    MAX_FILENAME_BYTES,
    OFFICE,
    clean_filename,
    default_stem,
    extension_for,
    label_for,
)


@pytest.mark.parametrize(
    ("filename", "cleaned"),
    [
        ("Facture n° 12.pdf", "Facture n° 12.pdf"),
        ("رخصة القيادة.pdf", "رخصة القيادة.pdf"),
        ("🚗 devis 👨‍👩‍👧.docx", "🚗 devis 👨‍👩‍👧.docx"),
        (unicodedata.normalize("NFD", "réglé.pdf"), "réglé.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\Fatou\\contrat.pdf", "contrat.pdf"),
        ("/", ""),
        ("..", ""),
        ("...", ""),
        ("", ""),
        ("\u3164.pdf", ""),
        ("\u200b\u200e", ""),
        (".htaccess", "htaccess.pdf"),
        ("facture\u202efdp.exe", "facturefdp.exe"),
        ("a\x00b\r\nc.pdf", "ab c.pdf"),
        ('un "devis" <1>|2?.pdf', "un _devis_ _1__2_.pdf"),
        ("fichier:flux.txt", "fichier_flux.txt"),
        ("  espaces   partout .pdf ", "espaces partout.pdf"),
        ("fin en points.pdf...", "fin en points.pdf"),
        ("CON", "_CON.pdf"),
        ("con.txt", "_con.txt"),
        ("nul .tar.gz", "_nul .tar.gz"),
        ("Lpt¹.doc", "_Lpt¹.doc"),
        ("console.txt", "console.txt"),
        ("sans extension", "sans extension.pdf"),
        ("v1.2 finale", "v1.2 finale.pdf"),
    ],
)
def test_a_filename_is_cleaned(filename, cleaned):
    assert clean_filename(filename, "application/pdf") == cleaned


def test_a_long_filename_keeps_its_extension():
    cleaned = clean_filename("é" * 500 + ".docx")
    assert cleaned.endswith("é.docx")
    assert MAX_FILENAME_BYTES - 2 <= len(cleaned.encode()) <= MAX_FILENAME_BYTES


@given(st.text(max_size=400))
def test_no_filename_leads_out_of_its_folder_or_hides_characters(filename):
    cleaned = clean_filename(filename, "application/pdf")
    assert len(cleaned.encode()) <= MAX_FILENAME_BYTES
    assert not set(cleaned) & set('/\\<>:"|?*')
    assert cleaned == cleaned.strip(" .")
    assert all(unicodedata.category(sign) not in ("Cc", "Cs", "Zl", "Zp") for sign in cleaned)
    assert "\u202e" not in cleaned
    assert clean_filename(cleaned, "application/pdf") == cleaned


@pytest.mark.parametrize(
    ("content_type", "filename", "label"),
    [
        (OFFICE + "wordprocessingml.document", "", "Word"),
        (OFFICE + "spreadsheetml.sheet", "", "Excel"),
        (OFFICE + "presentationml.presentation", "", "PowerPoint"),
        ("application/vnd.ms-powerpoint", "", "PowerPoint"),
        ("application/pdf", "", "PDF"),
        ("text/vcard", "", "vCard"),
        ("text/x-vcard", "", "vCard"),
        ("audio/ogg", "", "Audio"),
        ("video/mp4", "", "Vidéo"),
        ("image/jpeg", "", "Photo"),
        ("text/plain", "", "Texte"),
        ("application/octet-stream", "devis.XLSX", "Excel"),
        ("application/octet-stream", "archive.rar", "Document"),
        ("application/octet-stream", "", "Document"),
        ("", "", "Document"),
    ],
)
def test_a_content_type_has_a_label(content_type, filename, label):
    with translation.override("fr"):
        assert label_for(content_type, filename) == label


@pytest.mark.parametrize(
    ("content_type", "declared", "extension"),
    [
        ("image/jpeg", "", ".jpg"),
        ("audio/mp4", "video/mp4", ".m4a"),
        ("application/octet-stream", "application/rtf", ".rtf"),
        ("application/octet-stream", "image/svg+xml; charset=utf-8", ".svg"),
        ("application/octet-stream", "nonsense", ".bin"),
        ("application/octet-stream", "", ".bin"),
    ],
)
def test_a_content_type_has_an_extension(content_type, declared, extension):
    assert extension_for(content_type, declared) == extension


def test_a_file_without_a_name_is_named_by_its_type():
    kinds = ("image/png", "audio/ogg", "video/mp4", "text/vcard", "application/pdf")
    assert [default_stem(kind) for kind in kinds] == ["photo", "audio", "video", "contact", "document"]
