"""Functions that a flow may run here instead of at Twilio, by their URL, SID or name.

    @function("https://functions.example/price", "ZH…")
    def price(parameters):
        return {"price": 420_000}

A function answers at once, in the runner's transaction: it reads and computes, and calls nobody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from relais.flows import engine
from relais.flows.engine.effects import as_mapping

log = logging.getLogger(__name__)
Function = Callable[[Mapping[str, Any]], Any]
_known: dict[str, Function] = {}


def function(*names: str) -> Callable[[Function], Function]:
    def keep(made: Function) -> Function:
        for name in (*names, made.__name__):
            _known[name] = made
        return made

    return keep


def find(url: str, sid: str) -> Function | None:
    """By URL, by SID, or by the last part of the URL's path."""
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return _known.get(url) or _known.get(sid) or _known.get(name)


def answer(known: Function, effect: engine.RunFunction) -> engine.Answered:
    try:
        body = json.dumps(known(as_mapping(effect.params)), ensure_ascii=False)
    except Exception as error:
        log.exception("function failed", extra={"ref": effect.ref})
        return engine.Answered.failed(effect.ref, type(error).__name__)
    return engine.Answered(effect.ref, status=200, content_type="application/json", body=body)
