"""Its pages, under /dashboard."""

from typing import Any

urlpatterns: list[Any] = []
