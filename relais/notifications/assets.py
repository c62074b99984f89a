"""Writes the icons and the sounds of notifications: `python -m relais.notifications.assets`. Needs the test packages.

The icons are drawn from the favicon, the sounds are computed: there is no other source of either.
"""

from __future__ import annotations

import io
import math
import re
import struct
import wave
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "web" / "static"
CHROMIUM = "/usr/bin/chromium"
SAMPLE_RATE = 22_050
ATTACK_SECONDS = 0.008
PEAK = 0.28


@dataclass(frozen=True)
class Tone:
    notes: tuple[tuple[float, float], ...]
    """Start in seconds and frequency in hertz."""
    note_seconds: float
    decay_per_second: float
    overtone: float
    """The loudness of the octave above, in parts of the note's."""


TONES = {
    "chime": Tone(((0.0, 587.33), (0.11, 880.0)), 0.45, 9, 0.25),  # a rising fifth, D5 and A5
    "drop": Tone(((0.0, 1318.51), (0.07, 987.77)), 0.3, 16, 0.1),  # a falling fourth, E6 and B5
    "wood": Tone(((0.0, 392.0), (0.13, 392.0)), 0.16, 34, 0.6),  # two knocks on G4
}


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


def wave_file(tone: Tone) -> bytes:
    """A short sound as WAV."""
    length = int((tone.notes[-1][0] + tone.note_seconds) * SAMPLE_RATE)
    samples = [0.0] * length
    for start, frequency in tone.notes:
        for n in range(int(tone.note_seconds * SAMPLE_RATE)):
            at = n / SAMPLE_RATE
            fading = math.exp(-at * tone.decay_per_second) * (1 - at / tone.note_seconds)
            wave_at = math.sin(2 * math.pi * frequency * at)
            wave_at += tone.overtone * math.sin(4 * math.pi * frequency * at)
            samples[int(start * SAMPLE_RATE) + n] += PEAK * min(1.0, at / ATTACK_SECONDS) * fading * wave_at
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
    for name, tone in TONES.items():
        (STATIC / "sound" / f"{name}.wav").write_bytes(wave_file(tone))
