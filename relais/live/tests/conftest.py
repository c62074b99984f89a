from collections.abc import Iterator

import pytest

from relais.live.tests.desk import Desk


@pytest.fixture
def desk(transactional_db: None) -> Iterator[Desk]:
    with Desk() as desk:
        yield desk


@pytest.fixture
def second_desk(transactional_db: None) -> Iterator[Desk]:
    """Another process on the same database, as far as live is concerned: a pool and a listener of its own."""
    with Desk() as desk:
        yield desk
