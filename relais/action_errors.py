"""Refusals of an action by a rule. `str()` is a sentence for the person who tried; any other exception is a bug."""

from __future__ import annotations

from django.http import Http404


class ActionRefused(Exception):
    """A verb that changed nothing; `code` is what programs read."""

    code = "refused"
    http_status = 422


class NotAllowed(ActionRefused):
    """No permission: not the holder, not the author, or a role that is too low."""

    code = "forbidden"
    http_status = 403


class NotFound(Http404):
    """A 404 that says what is missing."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class InvalidField(ActionRefused):
    """A form field with an unusable value; `code` names the field."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)
