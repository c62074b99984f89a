"""Fixtures of the flows that several tests run."""

import pytest

from relais.flows.tests.builders import asks, flow_of, published, says


@pytest.fixture
def question(clock):
    thanks = says("merci", "Merci {{widgets.nom.inbound.Body}}.")
    return published(
        flow_of(asks("nom", "Votre nom ?", "merci", timeout="fin"), thanks, says("fin", "Au revoir.")), clock
    )
