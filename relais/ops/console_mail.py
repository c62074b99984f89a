"""Where e-mails go without a mail server: into a file of their own, since they hold names and links that open doors."""

from typing import Any

from django.conf import settings
from django.core.mail.backends.console import EmailBackend as Console

from relais.ops.log_files import LONG, open_log, set_aside, write_line


class EmailBackend(Console):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "stream": _Written()})


class _Written:
    """An e-mail is written whole or, where there is no room for it, not at all: then its sending fails."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def write(self, text: str) -> int:
        self._pieces.append(text)
        return len(text)

    def flush(self) -> None:
        message, self._pieces = "".join(self._pieces), []
        path = settings.ENVIRONMENT.data_dir / "log" / "mail.log"
        if path.exists() and path.stat().st_size > LONG:
            set_aside(path)
        with open_log(path) as log:
            write_line(log.fileno(), message.encode())
