"""Three agents reach for the same conversation at the same instant, over and over."""

import pytest

from relais.bench.races import race


@pytest.mark.django_db(transaction=True)
def test_each_of_many_take_over_races_has_one_winner(awa, koffi, mariam):
    """As many as fit in some seconds; `relais bench races` runs ten thousand."""
    assert race(10_000, [awa, koffi, mariam], seconds=15) == []
