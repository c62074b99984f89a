"""The flow benchmark runs and reports its figures; it asserts no speed."""

import json

from relais.bench import flow
from relais.cli import main


def test_the_figures_are_one_object(capsys, monkeypatch):
    monkeypatch.setattr(flow, "ROUNDS", 1)
    assert main(["bench", "flow", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures) == {"steps", "step_ms", "step_p99_ms", "load_states", "load_s"}
    assert figures["steps"] > 10
