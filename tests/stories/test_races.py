"""Three agents take over the same conversation at the same instant, many times."""

import pytest

from relais.bench.races import race


@pytest.mark.django_db(transaction=True)
def test_each_of_many_take_over_races_has_one_winner(awa, koffi, mariam):
    """Races for 15 seconds; `relais bench races` runs ten thousand."""
    assert race(10_000, [awa, koffi, mariam], seconds=15) == []
