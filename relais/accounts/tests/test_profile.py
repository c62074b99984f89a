"""The page where users edit their own name, photo and preferences."""

from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from relais.accounts.models import User, UserPhoto
from relais.accounts.photos import MAX_UPLOAD_BYTES, SIDE_PIXELS

pytestmark = pytest.mark.django_db
PROFILE = {"full_name": "Awa Diop", "language": "fr", "signature": "", "undo_seconds": "5"}
ORIENTATION = 0x0112
GPS = 0x8825


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def picture(file_format="JPEG", size=(400, 300), colour="red", **options):
    content = BytesIO()
    Image.new("RGB", size, colour).save(content, file_format, **options)
    return SimpleUploadedFile(f"photo.{file_format.lower()}", content.getvalue())


def save(user, **fields):
    return browser_of(user).post("/dashboard/profile", PROFILE | fields)


def photo_of(user):
    response = browser_of(user).get(f"/dashboard/users/{user.pk}/photo")
    return response, Image.open(BytesIO(response.content)) if response.status_code == 200 else None


def test_a_user_edits_his_own_account(awa):
    response = save(awa, full_name="Awa D.", language="en", signature="Awa, service client", undo_seconds="0")
    assert (response.status_code, response["Location"]) == (302, "/dashboard/profile")
    user = User.objects.get(pk=awa.pk)
    assert (user.full_name, user.language, user.signature, user.undo_seconds) == (
        "Awa D.",
        "en",
        "Awa, service client",
        0,
    )


@pytest.mark.parametrize(
    "fields", [{"full_name": " "}, {"full_name": "\u3164"}, {"language": "xx"}, {"undo_seconds": "7"}]
)
def test_unusable_values_are_said_and_change_nothing(awa, fields):
    response = save(awa, **fields)
    assert response.status_code == 422
    assert "field__error" in response.content.decode()
    assert User.objects.get(pk=awa.pk).full_name == "Awa Diop"


def test_role_and_team_cannot_be_changed_here(awa, sales):
    save(awa, role="super_admin", team=sales.pk, is_active="")
    user = User.objects.get(pk=awa.pk)
    assert (user.role, user.team, user.is_active) == ("agent", None, True)


def test_the_anonymous_sign_in_first():
    assert Client().get("/dashboard/profile").status_code == 302
    assert Client().get("/dashboard/users/1/photo").status_code == 302


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_photo_becomes_a_small_square(awa, file_format):
    assert save(awa, photo=picture(file_format)).status_code == 302
    response, image = photo_of(awa)
    assert (response["Content-Type"], image.format, image.size) == (
        "image/webp",
        "WEBP",
        (SIDE_PIXELS, SIDE_PIXELS),
    )
    assert f"/dashboard/users/{awa.pk}/photo?v=1" in browser_of(awa).get("/dashboard").content.decode()


def test_a_photo_is_turned_upright_and_loses_its_place(awa):
    details = Image.Exif()
    details[ORIENTATION] = 6  # the top is at the right
    details[GPS] = {1: "N"}
    half = Image.new("RGB", (300, 300), "white")
    half.paste("black", (0, 0, 150, 300))
    content = BytesIO()
    half.save(content, "JPEG", exif=details)
    save(awa, photo=SimpleUploadedFile("photo.jpg", content.getvalue()))
    _response, image = photo_of(awa)
    top, bottom = (image.convert("L").getpixel((SIDE_PIXELS // 2, y)) for y in (20, SIDE_PIXELS - 20))
    assert top < 60
    assert bottom > 200
    assert not image.getexif()


def test_a_new_photo_has_a_new_address(awa):
    save(awa, photo=picture())
    save(awa, photo=picture(colour="blue"))
    assert User.objects.get(pk=awa.pk).photo_version == 2
    assert UserPhoto.objects.count() == 1


def test_a_photo_can_be_removed(awa):
    save(awa, photo=picture())
    save(awa, remove_photo="on")
    assert User.objects.get(pk=awa.pk).photo_version == 0
    response, _image = photo_of(awa)
    assert response.status_code == 404


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"\xff\xd8\xff\xe0" + b"\0" * 50, b"<svg xmlns='http://www.w3.org/2000/svg'/>"],
)
def test_what_is_no_picture_is_refused(awa, content):
    response = save(awa, photo=SimpleUploadedFile("photo.jpg", content))
    assert response.status_code == 422
    assert not UserPhoto.objects.exists()


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(awa):
    response = save(awa, photo=picture("PNG", size=(9_000, 9_000)))
    assert response.status_code == 422
    assert "trop grande" in response.content.decode()


def test_a_file_that_is_too_large_is_refused(awa):
    response = save(awa, photo=SimpleUploadedFile("photo.jpg", b"x" * (MAX_UPLOAD_BYTES + 1)))
    assert response.status_code == 422
    assert "5 Mo" in response.content.decode()


def test_a_user_chooses_the_sound_and_turns_single_keys_off(awa):
    assert 'data-chime="/static/sound/chime.wav"' in browser_of(awa).get("/dashboard").content.decode()
    save(awa, sound="wood", single_keys="on")
    page = browser_of(awa).get("/dashboard").content.decode()
    assert 'data-chime="/static/sound/wood.wav"' in page
    assert "data-single-keys" not in page
    save(awa, sound="")
    page = browser_of(awa).get("/dashboard").content.decode()
    assert "data-chime" not in page
    assert 'data-single-keys="off"' in page


def test_an_unknown_sound_is_refused(awa):
    assert save(awa, sound="../x").status_code == 422
