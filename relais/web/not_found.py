"""A 404 that says what is missing: `get_or_404` raises it with the sentence of the model."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Manager, Model, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from relais.action_errors import NotFound

ModelType = TypeVar("ModelType", bound=Model)


def get_or_404(
    source: type[ModelType] | Manager[ModelType] | QuerySet[ModelType], **lookup: Any
) -> ModelType:
    """The row, if it is there; else 404 with the model's `not_found_sentence`."""
    try:
        return get_object_or_404(source, **lookup)
    except Http404 as missing:
        model = source if isinstance(source, type) else source.model
        sentence = getattr(model, "not_found_sentence", None)
        raise NotFound(str(sentence)) if sentence else missing from None


def sentence_of(missing: Exception | None) -> str:
    if isinstance(missing, NotFound):
        return missing.sentence
    return _("Ce que vous cherchez n'existe pas, ou n'est pas à votre portée.")
