from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client as Browser


class Desk:
    """A signed-in user's requests: `json` asks as a program, `page` as a browser without scripts."""

    def __init__(self, user: Any = None) -> None:
        self.http = Browser()
        if user:
            self.http.force_login(user)

    def json(self, path: str, **query: Any) -> Any:
        response = self.http.get(f"/dashboard/{path}", query, headers={"accept": "application/json"})
        return response.status_code, json.loads(response.content)

    def page(self, path: str, **query: Any) -> Any:
        return self.http.get(f"/dashboard/{path}", query, headers={"accept": "text/html"})

    def post(self, path: str, *, accept: str = "application/json", **fields: Any) -> Any:
        response = self.http.post(f"/dashboard/{path}", fields, headers={"accept": accept})
        return (response.status_code, json.loads(response.content)) if "json" in accept else response


@pytest.fixture
def desk() -> type[Desk]:
    return Desk
