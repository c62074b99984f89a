"""Functions that a run-function widget runs here instead of at Twilio, found by their URL, SID or name.

    @local_function("https://functions.example/price", "ZH…")
    def price(parameters):
        return {"price": 420_000}

A function runs in the runner's transaction: it reads and computes, and makes no requests.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from relais.flows import engine
from relais.flows.engine.effects import as_mapping

log = logging.getLogger(__name__)
LocalFunction = Callable[[Mapping[str, Any]], Any]
_functions: dict[str, LocalFunction] = {}
"""By URL, SID and name."""


def local_function(*names: str) -> Callable[[LocalFunction], LocalFunction]:
    """Register a function under its own name, and under URLs or SIDs."""

    def register(function: LocalFunction) -> LocalFunction:
        for name in (*names, function.__name__):
            _functions[name] = function
        return function

    return register


def find(url: str, sid: str) -> LocalFunction | None:
    """By URL, by SID, or by the last part of the URL's path."""
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return _functions.get(url) or _functions.get(sid) or _functions.get(name)


def call(function: LocalFunction, effect: engine.RunFunction) -> engine.RequestResult:
    """The function's result as JSON; if it raises, the widget fails."""
    try:
        body = json.dumps(function(as_mapping(effect.params)), ensure_ascii=False)
    except Exception as error:
        log.exception("function failed", extra={"ref": effect.ref})
        return engine.RequestResult.failed(effect.ref, type(error).__name__)
    return engine.RequestResult(effect.ref, status=200, content_type="application/json", body=body)
