"""A pytest plugin: the run gets a temporary installation of its own before anything reads the settings."""

import os
from contextlib import ExitStack

import pytest

from relais.ops.temporary_environment import exit_on_sigterm, temporary_installation

_exit_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    exit_on_sigterm()
    variables = _exit_stack.enter_context(temporary_installation(database=True))
    os.environ.clear()
    os.environ.update(variables)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _exit_stack.close()
