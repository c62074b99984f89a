"""Profile photos: any common picture becomes a small square without metadata, such as where it was taken."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import BinaryIO

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from relais.accounts.models import User, UserPhoto

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MAX_UPLOAD_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 40_000_000
SIDE_PIXELS = 192
"""Three times the size of the largest avatar, for dense screens."""
WEBP_QUALITY = 82


def square_photo(upload: BinaryIO) -> bytes:
    """WebP of the middle of the picture, upright. Raises ValidationError."""
    from PIL import Image, ImageOps  # Here, because it takes 9 MB and most processes never need it.

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(upload, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                image.draft(
                    "RGB", (SIDE_PIXELS, SIDE_PIXELS)
                )  # decodes a large JPEG at a fraction of its size
                upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValidationError(_("Cette image est trop grande. Choisissez-en une plus petite.")) from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for broken files
        raise ValidationError(_("Ce fichier n'est pas une photo JPEG, PNG, WebP ou GIF.")) from error
    square = ImageOps.fit(upright, (SIDE_PIXELS, SIDE_PIXELS))
    result = BytesIO()
    square.save(result, "WEBP", quality=WEBP_QUALITY)
    return result.getvalue()


@transaction.atomic
def set_photo(user: User, image: bytes | None) -> None:
    """Store the result of `square_photo`, or remove the photo with None."""
    if image is None:
        UserPhoto.objects.filter(user=user).delete()
        User.objects.filter(pk=user.pk).update(photo_version=0)
        return
    UserPhoto.objects.update_or_create(user=user, defaults={"image": image})
    User.objects.filter(pk=user.pk).update(photo_version=F("photo_version") + 1)
