"""Previews of stored files: the thumbnail and what is known of the file, made once, in a process of its own."""

import signal
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.utils import timezone
from PIL import Image
from pypdf import PdfWriter

from relais.files import previews, worker_process
from relais.files.models import StoredFile, delete_unreferenced, quarantine, store_file
from relais.files.previews import make_preview
from relais.files.tests import samples

SAMPLES = Path(__file__).resolve().parents[2] / "emulator/static/emulator/samples"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


def previewed(content):
    stored = store_file(BytesIO(content), content_type="application/octet-stream", at=timezone.now())
    make_preview(stored, at=timezone.now())
    return stored


def thumbnail_of(stored):
    return Image.open(BytesIO(b"".join(stored.thumbnail.read())))


def test_a_photograph_gets_a_small_upright_thumbnail_without_metadata():
    stored = previewed(samples.picture(size=(3000, 2000)))
    assert stored.details == {"width": 2000, "height": 3000}  # turned by its phone
    thumbnail = thumbnail_of(stored)
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (427, 640))
    assert not thumbnail.getexif() and "exif" not in thumbnail.info and "xmp" not in thumbnail.info
    assert stored.thumbnail.size < stored.size


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("PNG", {"mode": "RGBA", "color": (1, 2, 3, 0)}),
        ("GIF", {"mode": "P", "color": 3}),
        ("WEBP", {}),
        ("JPEG", {"mode": "CMYK", "color": (1, 2, 3, 4)}),
    ],
)
def test_pictures_of_each_format(format, options):
    assert thumbnail_of(previewed(samples.picture(format, exif=False, **options))).size == (64, 48)


def test_the_transparency_of_a_sticker_stays():
    stored = previewed(samples.picture("WEBP", mode="RGBA", color=(9, 9, 9, 0), exif=False))
    assert thumbnail_of(stored).convert("RGBA").getpixel((5, 5))[3] == 0


def test_it_is_made_once(monkeypatch):
    stored = previewed(samples.picture())
    monkeypatch.setattr(previews, "run_worker", lambda *args, **options: pytest.fail("made again"))
    make_preview(stored, at=timezone.now())
    assert StoredFile.objects.count() == 2


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(64), b"\xff\xd8\xff" + bytes(200), b"%PDF-1.7 broken", b"PK\x03\x04", b""],
)
def test_a_file_that_cannot_be_read_gets_an_empty_preview(content):
    stored = previewed(content)
    assert stored.previewed_at and stored.thumbnail is None and stored.details == {}


def test_a_picture_of_too_many_pixels_is_not_decoded():
    bomb = BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    assert previewed(bomb.getvalue()).thumbnail is None


def test_a_killed_worker_leaves_an_empty_preview(monkeypatch):
    def killed(*args, **kwargs):
        return type("Done", (), {"returncode": -signal.SIGKILL})

    monkeypatch.setattr(worker_process.subprocess, "run", killed)
    assert previewed(samples.picture()).thumbnail is None


def test_recordings_say_how_long_they_play():
    assert previewed((SAMPLES / "voice.ogg").read_bytes()).details == {"seconds": 2.04}
    assert previewed((SAMPLES / "video.mp4").read_bytes()).details == {"seconds": 2.47}
    amr = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50
    assert previewed(amr).details == {"seconds": 1.0}
    frame = bytes([0xFF, 0xF1, 0x50, 0x80, 0x02, 0x00, 0x00]) + bytes(9)
    assert previewed(frame * 100).details == {"seconds": round(102400 / 44100, 2)}
    assert previewed(samples.mp4()).details == {}


def a_pdf(pages, title):
    writer = PdfWriter()
    for _page in range(pages):
        writer.add_blank_page(width=100, height=100)
    writer.add_metadata({"/Title": title})
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def test_a_pdf_says_its_title_and_number_of_pages():
    assert previewed(a_pdf(3, "Devis \x00 été")).details == {"pages": 3, "title": "Devis été"}


def test_office_documents_say_what_their_program_wrote():
    core = '<p xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Contrat</dc:title></p>'
    app = '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Pages>4</Pages></Properties>'
    parts = {"docProps/core.xml": core, "docProps/app.xml": app}
    assert previewed(samples.office("word", parts=parts)).details == {"title": "Contrat", "pages": 4}
    workbook = '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheets><sheet name="Tarifs"/></sheets></workbook>'
    assert previewed(samples.office("xl", parts={"xl/workbook.xml": workbook})).details == {"sheet": "Tarifs"}
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    assert previewed(samples.office("ppt", parts={"docProps/core.xml": bomb})).details == {}


def test_contacts_are_read():
    assert previewed(samples.VCARD).details["contacts"][0]["name"] == "Awa Diop"


def test_a_thumbnail_is_deleted_after_its_picture():
    previewed(samples.picture())
    later = timezone.now() + timedelta(days=2)
    assert delete_unreferenced(at=later) == 1
    assert delete_unreferenced(at=later) == 1
    assert not StoredFile.objects.exists()


def test_an_infected_file_is_moved_away(settings):
    stored = store_file(BytesIO(b"bad"), content_type="text/plain", at=timezone.now())
    before = settings.MEDIA_FOLDER / stored.key
    quarantine(stored, "Eicar")
    quarantine(StoredFile.objects.get(), "Eicar")
    assert (
        not before.exists()
        and (settings.MEDIA_FOLDER / "quarantine" / stored.sha256[:2] / stored.sha256).exists()
    )
    with pytest.raises(FileNotFoundError):
        StoredFile.objects.get().read()
    make_preview(stored, at=timezone.now())
    assert StoredFile.objects.get().previewed_at is None
