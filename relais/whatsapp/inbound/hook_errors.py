"""Error responses of hooks: which exception becomes which status code. No response carries an exception's own text."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from relais.accounts.models import TokenRefused
from relais.http_server.request_body import BodyTooLarge
from relais.whatsapp import metrics
from relais.whatsapp.inbound.auth_throttle import WINDOW_SECONDS
from relais.whatsapp.inbound.authentication import AuthenticationOverloaded
from relais.whatsapp.inbound.batcher import Overloaded
from relais.whatsapp.inbound.params import InvalidParams
from relais.whatsapp.inbound.raw_request import BODY_TOO_LARGE
from relais.whatsapp.inbound.studio_hooks import UnknownConversation

log = logging.getLogger(__name__)
HEADERS = {405: {"Allow": "POST"}, 429: {"Retry-After": str(int(WINDOW_SECONDS))}, 503: {"Retry-After": "5"}}


class HookError(Exception):
    """A response other than 2xx, with a sentence for the caller."""

    def __init__(self, status: int, sentence: str, **extra: Any) -> None:
        self.status, self.sentence, self.extra = status, sentence, extra
        super().__init__(sentence)

    def response(self) -> JSONResponse:
        body = {"success": "false", "error": self.sentence} | self.extra
        return JSONResponse(body, self.status, HEADERS.get(self.status))


@contextmanager
def errors_as_hook_errors(path: str) -> Iterator[None]:
    """Turn exceptions into a HookError. What cannot be stored is a 503, on which Twilio retries."""
    try:
        yield
    except (HookError, ClientDisconnect):
        raise
    except BodyTooLarge as error:
        raise HookError(413, str(BODY_TOO_LARGE)) from error
    except InvalidParams as error:
        raise HookError(422, str(error), errors=error.errors) from error
    except UnknownConversation as error:
        raise HookError(404, str(error)) from error
    except TokenRefused as error:
        raise HookError(403, str(error)) from error
    except AuthenticationOverloaded as error:
        metrics.count_rejected_call(path, "checks")
        raise _unavailable() from error
    except (DatabaseError, InterfaceError, Overloaded, TimeoutError) as error:
        log.error("call not stored", extra={"path": path, "error": type(error).__name__})
        raise _unavailable() from error
    except Exception as error:
        log.exception("hook failed", extra={"path": path})
        raise HookError(500, _("Une erreur est survenue. Elle est notée dans le journal.")) from error


def _unavailable() -> HookError:
    return HookError(503, _("Le message n'a pas pu être enregistré. Réessayez."))
