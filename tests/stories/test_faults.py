"""About a minute of a desk under load that is harmed in every way the harness knows, and then a count.

`relais bench faults` is the same for longer. The seed is printed: `--seed` has the same chances again.
"""

import argparse

from relais.bench import faults


def test_nothing_is_lost_said_twice_or_out_of_order_whatever_dies(capfd):
    options = argparse.Namespace(messages=500, seed=None, settle=300, keep=0, full_disk=0)
    figures = faults.measure(options)
    told = capfd.readouterr().err
    wrong = {name: figures[name] for name in faults.MUST_BE_ZERO}
    assert not any(wrong.values()), f"{figures}\n{told}"
    assert figures["kills"] >= 2
    assert figures["database_restarts"] >= 2
    assert figures["socket_cuts"] >= 1
    assert figures["mid_tick_cuts"] >= 1
    assert figures["received"] >= 250
    assert figures["accepted"] >= 180
