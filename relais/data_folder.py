"""The files of the data folder: secret key, Web Push key, demo or live, the URL of the emulator."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

_KEY_FILE = "secret_key"
_VAPID_KEY_FILE = "vapid_key"
_KIND_FILE = "kind"
_EMULATOR_URL_FILE = "emulator.url"


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def secret_key(self) -> str:
        """The key of this installation, created on the first start with mode 0600."""
        file = self.path / _KEY_FILE
        if not file.exists():
            self._write_once(_KEY_FILE, secrets.token_urlsafe(50))
        return file.read_text().strip()

    def vapid_key(self) -> str:
        """The private key for Web Push, 32 bytes as base64url, created like the secret key.

        A key of its own: replacing the secret key signs everybody out, but must not void every push subscription.
        """
        file = self.path / _VAPID_KEY_FILE
        if not file.exists():
            self._write_once(_VAPID_KEY_FILE, secrets.token_urlsafe(32))
        return file.read_text().strip()

    def mark_demo(self) -> bool:
        """Mark a new folder as a demo. False when it is live, or holds a database of unknown origin."""
        if not self._kind():
            if (self.path / "postgres").exists():
                return False
            self._write_once(_KIND_FILE, "demo")
        return self._kind() == "demo"

    def mark_live(self) -> bool:
        """Mark the folder as live: it can never be a demo again. True when it was a demo until now."""
        kind = self._kind()
        if kind in ("demo", ""):
            self._write("live", self.path / _KIND_FILE)
        return kind == "demo"

    def _kind(self) -> str:
        """`demo` or `live`; empty when the folder is not marked yet."""
        try:
            return (self.path / _KIND_FILE).read_text().strip()
        except FileNotFoundError:
            return ""

    def emulator_url(self) -> str:
        """The URL of the running demo's Twilio double; empty when none runs."""
        try:
            return (self.path / _EMULATOR_URL_FILE).read_text().strip()
        except FileNotFoundError:
            return ""

    def write_emulator_url(self, url: str) -> None:
        self._write(url, self.path / _EMULATOR_URL_FILE)

    def delete_emulator_url(self) -> None:
        (self.path / _EMULATOR_URL_FILE).unlink(missing_ok=True)

    def _write_once(self, name: str, text: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".new-") as folder:
            new = Path(folder, name)
            self._write(text, new)
            # Atomic: if two processes start at once, the value of the first one is kept.
            with contextlib.suppress(FileExistsError):
                os.link(new, self.path / name)

    @staticmethod
    def _write(text: str, file: Path) -> None:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text + "\n")
