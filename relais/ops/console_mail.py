"""The e-mail backend without a mail server: e-mails go to `mail.log`, since they hold names and password links."""

from typing import Any

from django.conf import settings
from django.core.mail.backends.console import EmailBackend as Console

from relais.ops.log_files import open_log, write_line
from relais.ops.log_rotation import MAX_LOG_BYTES, rotate


class EmailBackend(Console):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "stream": _MailLog()})


class _MailLog:
    """A stream that appends each e-mail atomically. On a full disk writing raises, so that sending fails."""

    def __init__(self) -> None:
        self._chunks: list[str] = []

    def write(self, text: str) -> int:
        self._chunks.append(text)
        return len(text)

    def flush(self) -> None:
        message, self._chunks = "".join(self._chunks), []
        path = settings.ENVIRONMENT.data_dir / "log" / "mail.log"
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            rotate(path)
        with open_log(path) as log:
            write_line(log.fileno(), message.encode())
