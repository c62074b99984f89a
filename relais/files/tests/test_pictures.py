"""Pictures leave upright, small enough, and without what a camera writes into them."""

from io import BytesIO

import pytest
from PIL import Image

from relais.files.channel_types import MAX_PICTURE_BYTES
from relais.files.errors import FileRefused
from relais.files.pictures import prepare_picture
from relais.files.tests import samples


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.UPLOAD_FOLDER = tmp_path / "uploads"


def prepared(content, content_type):
    result = prepare_picture(BytesIO(content), content_type, "photo")
    if result is None:
        return None
    with result:
        result.seek(0)
        return Image.open(BytesIO(result.read()))


@pytest.mark.parametrize(("format", "content_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
def test_position_and_camera_are_removed_and_the_picture_stands_upright(format, content_type):
    picture = prepared(samples.picture(format), content_type)
    assert (picture.format, picture.size) == (format, (48, 64))
    assert dict(picture.getexif()) == {}
    assert not any(name in picture.info for name in ("exif", "xmp", "comment"))


def test_a_picture_that_needs_no_change_goes_as_it_is():
    assert prepared(samples.picture(exif=False), "image/jpeg") is None


def test_an_upright_jpeg_keeps_its_compression():
    image = Image.effect_noise((200, 200), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x010F] = "Phone"
    file = BytesIO()
    image.save(file, "JPEG", quality=93, exif=exif)
    before = Image.open(file)
    after = prepared(file.getvalue(), "image/jpeg")
    assert after.quantization == before.quantization
    assert dict(after.getexif()) == {}


@pytest.mark.parametrize(("format", "side"), [("JPEG", 3000), ("PNG", 1700)])
def test_a_picture_over_the_limit_is_made_smaller(format, side):
    content = samples.noise(format, side)
    assert len(content) > MAX_PICTURE_BYTES
    result = prepare_picture(BytesIO(content), f"image/{format.lower()}", "photo")
    with result:
        assert 0 < result.seek(0, 2) <= MAX_PICTURE_BYTES
        result.seek(0)
        assert Image.open(result).format == "JPEG"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(samples.HEIC, "image/heic"), (samples.picture("WEBP", mode="RGBA", color=(0, 0, 0, 0)), "image/webp")],
    ids=["heic", "webp"],
)
def test_what_the_channel_does_not_take_becomes_jpeg(content, content_type):
    picture = prepared(content, content_type)
    assert picture.format == "JPEG"
    assert dict(picture.getexif()) == {}


def test_transparency_becomes_white():
    picture = prepared(samples.picture("WEBP", mode="RGBA", color=(0, 0, 0, 0)), "image/webp")
    assert min(picture.getpixel((10, 10))) > 250


def test_a_decompression_bomb_is_refused_with_a_sentence():
    file = BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")
    with pytest.raises(FileRefused) as refusal:
        prepare_picture(file, "image/png", "mur.png")
    assert refusal.value.code == "media_too_large"
    assert "mur.png" in str(refusal.value) and "40" in str(refusal.value)


def test_a_broken_picture_is_refused_with_a_sentence():
    with pytest.raises(FileRefused) as refusal:
        prepare_picture(BytesIO(samples.noise("JPEG", 300)[:5_000]), "image/jpeg", "photo.jpg")
    assert (refusal.value.code, "photo.jpg" in str(refusal.value)) == ("media_type", True)
