"""Where e-mails go without a mail server: into a file of their own, since they hold names and links that open doors."""

from typing import Any

from django.conf import settings
from django.core.mail.backends.console import EmailBackend as Console

from relais.ops.logs import LONG, open_log, set_aside


class EmailBackend(Console):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "stream": _Written()})


class _Written:
    def write(self, text: str) -> int:
        path = settings.ENVIRONMENT.data_dir / "log" / "mail.log"
        if path.exists() and path.stat().st_size > LONG:
            set_aside(path)
        with open_log(path) as log:
            log.write(text.encode())
        return len(text)

    def flush(self) -> None:
        """Each piece is written at once."""
