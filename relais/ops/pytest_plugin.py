"""A pytest plugin: before anything reads the settings, the run gets a scratch installation of its own."""

import os
from contextlib import ExitStack

import pytest

from relais.ops.temporary_environment import installation, leave_on_term

_kept = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    leave_on_term()
    variables = _kept.enter_context(installation(database=True))
    os.environ.clear()
    os.environ.update(variables)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _kept.close()
