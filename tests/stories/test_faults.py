"""Chaos test: about a minute of load with every kind of injected fault, then a comparison with what Twilio's double saw.

`relais bench faults` runs the same for longer. It prints its random seed; `--seed` repeats a run.
"""

import argparse

from relais.bench import faults


def test_nothing_is_lost_duplicated_or_out_of_order_under_faults(capfd):
    options = argparse.Namespace(messages=500, seed=None, settle=300, keep=0, full_disk=0)
    figures = faults.measure(options)
    report = capfd.readouterr().err
    errors = {name: figures[name] for name in faults.MUST_BE_ZERO}
    assert not any(errors.values()), f"{figures}\n{report}"
    assert figures["kills"] >= 2
    assert figures["database_restarts"] >= 2
    assert figures["socket_cuts"] >= 1
    assert figures["mid_tick_cuts"] >= 1
    assert figures["received"] >= 250
    assert figures["accepted"] >= 180
