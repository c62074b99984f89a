"""What the data folder remembers: the secret key, and whether it was made for the demo or has ever been live."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

_KEY = "secret_key"
_KIND = "kind"
_EMULATOR = "emulator.url"


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def secret_key(self) -> str:
        """The key of this installation, made on the first start and readable by its owner only."""
        file = self.path / _KEY
        if not file.exists():
            self._write_once(_KEY, secrets.token_urlsafe(50))
        return file.read_text().strip()

    def is_for_demo(self) -> bool:
        """Whether the demo may live here: a new folder is marked for it, one that was ever live never is."""
        if not (self.path / _KIND).exists():
            if (self.path / "postgres").exists():
                return False
            self._write_once(_KIND, "demo")
        return (self.path / _KIND).read_text().strip() == "demo"

    def mark_live(self) -> bool:
        """From here on this folder refuses the demo. True when it was the demo's until now."""
        was_demo = (self.path / _KIND).exists() and self.is_for_demo()
        if was_demo or not (self.path / _KIND).exists():
            self._write("live", self.path / _KIND)
        return was_demo

    def emulator_url(self) -> str:
        """Where the running demo's Twilio double listens; empty when none runs."""
        try:
            return (self.path / _EMULATOR).read_text().strip()
        except FileNotFoundError:
            return ""

    def remember_emulator(self, url: str) -> None:
        self._write(url, self.path / _EMULATOR)

    def forget_emulator(self) -> None:
        (self.path / _EMULATOR).unlink(missing_ok=True)

    def _write_once(self, name: str, text: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".new-") as folder:
            new = Path(folder, name)
            self._write(text, new)
            # Of two processes that start at once, the first one's value counts.
            with contextlib.suppress(FileExistsError):
                os.link(new, self.path / name)

    @staticmethod
    def _write(text: str, file: Path) -> None:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(text + "\n")
