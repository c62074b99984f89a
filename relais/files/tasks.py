"""Periodic job of this room."""

from datetime import UTC, datetime

from procrastinate.contrib.django import app

from relais.files.models import delete_unreferenced


@app.task(
    name="relais.files.tasks.delete_unreferenced", queueing_lock="delete_unreferenced_files", priority=1
)
def delete_unreferenced_files(timestamp: int) -> None:
    delete_unreferenced(at=datetime.fromtimestamp(timestamp, UTC))
