"""The expected refusals of this room."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused


class InvalidClientFields(ActionRefused):
    """Fields with unusable values: `errors` has a sentence for each, `code` names the first."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        self.code = next(iter(self.errors))
        super().__init__(self.errors[self.code])


class ClientConflict(ActionRefused):
    """Somebody else was faster (HTTP 409)."""

    http_status = 409

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


def client_is_gone() -> ClientConflict:
    return ClientConflict(
        "merged", _("Ce client a été fusionné avec un autre entre-temps. Rechargez la page.")
    )
