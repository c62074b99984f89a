"""Draws the picture that a sample client sends: `python -m relais.demo.car_dashboard_picture` writes it."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (720, 460)
FILE = Path(__file__).with_name("car_dashboard.jpg")
AMBER, WHITE, NEEDLE = (255, 168, 28), (214, 220, 228), (240, 72, 58)


def draw() -> Image.Image:
    picture = Image.new("RGB", SIZE, (12, 14, 18))
    pen = ImageDraw.Draw(picture)
    for centre, angle in (((190, 240), 215), ((530, 240), 250)):
        _gauge(pen, centre, angle)
    glow = Image.new("RGB", SIZE)
    _engine(ImageDraw.Draw(glow), (360, 250))
    bright = glow.filter(ImageFilter.GaussianBlur(14))
    picture = Image.composite(bright, picture, bright.convert("L").point(lambda value: min(255, value * 2)))
    _engine(ImageDraw.Draw(picture), (360, 250))
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def _gauge(pen: ImageDraw.ImageDraw, centre: tuple[int, int], needle: float) -> None:
    x, y = centre
    pen.ellipse((x - 150, y - 150, x + 150, y + 150), fill=(20, 23, 29), outline=(88, 94, 104), width=4)
    for tick in range(13):
        angle = math.radians(135 + tick * 22.5)
        inner = 118 if tick % 2 else 104
        pen.line((*_on(centre, angle, inner), *_on(centre, angle, 134)), fill=WHITE, width=4)
    pen.line((*centre, *_on(centre, math.radians(needle), 112)), fill=NEEDLE, width=6)
    pen.ellipse((x - 16, y - 16, x + 16, y + 16), fill=(54, 58, 66))


def _on(centre: tuple[int, int], angle: float, radius: float) -> tuple[float, float]:
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def _engine(pen: ImageDraw.ImageDraw, centre: tuple[int, int]) -> None:
    """The lamp « check engine »: a block with its cover, inlet and fan."""
    x, y = centre
    outline = [
        (-34, -14),
        (-20, -14),
        (-12, -24),
        (14, -24),
        (22, -14),
        (30, -14),
        (30, -4),
        (38, -4),
        (38, 22),
    ]
    outline += [
        (28, 22),
        (20, 30),
        (-22, 30),
        (-34, 18),
        (-34, 8),
        (-42, 8),
        (-42, -2),
        (-34, -2),
        (-34, -14),
    ]
    pen.line([(x + dx, y + dy) for dx, dy in outline], fill=AMBER, width=6, joint="curve")
    pen.line((x - 14, y - 34, x + 14, y - 34), fill=AMBER, width=6)
    pen.line((x, y - 34, x, y - 24), fill=AMBER, width=6)


if __name__ == "__main__":
    draw().save(FILE, quality=78, optimize=True)
