"""Writes the icons and the sound of notifications: `python -m relais.notifications.assets`. Needs the test packages.

The icons are drawn from the favicon, the sound is computed: there is no other source of either.
"""

from __future__ import annotations

import io
import math
import re
import struct
import wave
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "web" / "static"
CHROMIUM = "/usr/bin/chromium"
SAMPLE_RATE = 22_050
NOTES = ((0.0, 587.33), (0.11, 880.0))
"""Start in seconds and frequency in hertz: a rising fifth, D5 and A5."""
NOTE_SECONDS = 0.45
ATTACK_SECONDS = 0.008
PEAK = 0.28


def favicon() -> str:
    return (STATIC / "img" / "favicon.svg").read_text()


def maskable(svg: str) -> str:
    """The launcher cuts its own shape: the background fills the square, and the drawing is within the safe zone."""
    return svg.replace(' rx="8"', "")


def badge(svg: str) -> str:
    """Android shows the alpha channel only, in the status bar."""
    return re.sub(r"<rect[^>]*/>", "", svg).replace('viewBox="0 0 32 32"', 'viewBox="6 6 20 20"')


def icons() -> dict[str, tuple[str, int]]:
    """File name to its SVG and size in pixels."""
    svg = favicon()
    return {
        "icon-192.png": (svg, 192),
        "icon-512.png": (svg, 512),
        "icon-maskable-512.png": (maskable(svg), 512),
        "icon-apple-180.png": (maskable(svg), 180),
        "icon-badge-96.png": (badge(svg), 96),
    }


def chime() -> bytes:
    """A short two-note chime as WAV."""
    length = int((NOTES[-1][0] + NOTE_SECONDS) * SAMPLE_RATE)
    samples = [0.0] * length
    for start, frequency in NOTES:
        for n in range(int(NOTE_SECONDS * SAMPLE_RATE)):
            at = n / SAMPLE_RATE
            envelope = min(1.0, at / ATTACK_SECONDS) * math.exp(-at * 9) * (1 - at / NOTE_SECONDS)
            tone = math.sin(2 * math.pi * frequency * at) + 0.25 * math.sin(4 * math.pi * frequency * at)
            samples[int(start * SAMPLE_RATE) + n] += PEAK * envelope * tone
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(b"".join(struct.pack("<h", round(32_000 * sample)) for sample in samples))
    return stream.getvalue()


def write_icons(folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (svg, size) in icons().items():
            page = browser.new_page(viewport={"width": size, "height": size})
            sized = svg.replace("<svg ", f'<svg width="{size}" height="{size}" style="display:block" ', 1)
            page.set_content(f'<body style="margin:0;background:transparent">{sized}')
            page.screenshot(path=folder / name, omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    write_icons(STATIC / "img")
    (STATIC / "sound").mkdir(exist_ok=True)
    (STATIC / "sound" / "chime.wav").write_bytes(chime())
