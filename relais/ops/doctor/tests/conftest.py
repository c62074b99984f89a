"""A patient in good health, whom each test makes ill in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo
from starlette.applications import Starlette

from relais.emulator.testing import RunningDouble, ServerThread, running_double
from relais.ops.doctor.context import Patient
from relais.ops.doctor.result import Finding, State
from relais.whatsapp import client
from relais.whatsapp.inbound.routes import HookRoutes

TOKEN = "0123456789abcdef" * 2
SECRET = "un-secret-pour-studio"


@pytest.fixture
def environment(settings, tmp_path):
    """Everything as it should be, but that nothing listens at the public address."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    return replace(
        settings.ENVIRONMENT,
        twilio_auth_token=TOKEN,
        twilio_auth_token_secondary="",
        studio_webhook_secret=SECRET,
        public_base_url="https://desk.example",
        data_dir=data,
        demo=False,
    )


@pytest.fixture
def patient(environment):
    return Patient(environment)


@pytest.fixture
def with_database(transactional_db, patient):
    found = connection.settings_dict
    dsn = make_conninfo(dbname=found["NAME"], user=found["USER"], host=found["HOST"], port=found["PORT"])
    return replace(patient, environment=replace(patient.environment, database_url=dsn))


def written_to(patient: Patient, **changes: Any) -> Patient:
    return replace(patient, environment=replace(patient.environment, **changes))


def states(look: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[str]:
    return [found.state.value for found in look(patient)]


def only_fault(look: Callable[[Patient], Iterator[Finding]], patient: Patient) -> Finding:
    """The one thing that is not well; it says what to do."""
    [fault] = [found for found in look(patient) if found.state != State.OK]
    assert fault.advice
    return fault


@pytest.fixture
def door(db, patient, settings) -> Iterator[Patient]:
    """Relais' own hooks answer at the public address."""
    hooks = HookRoutes()
    server = ServerThread(Starlette(routes=hooks.routes))
    reached = written_to(patient, public_base_url=server.url)
    settings.ENVIRONMENT = reached.environment
    yield reached
    server.stop()
    hooks.close()


@pytest.fixture
def double(settings, patient) -> Iterator[RunningDouble]:
    told = patient.environment
    with running_double(
        account_sid=told.twilio_account_sid,
        auth_token=told.twilio_auth_token,
        sender="whatsapp:+212522000000",
        webhook=f"{told.public_base_url}/api/twilio/message#rc=3&rp=5xx,ct,rt",
    ) as double:
        yield double


@pytest.fixture
def connected(double, patient, settings) -> Iterator[Patient]:
    """Twilio is the double, and may be asked."""
    live = replace(
        written_to(patient, twilio_api_base_url=double.url, whatsapp_number="whatsapp:+212522000000"),
        live=True,
    )
    settings.ENVIRONMENT = live.environment
    client.twilio.cache_clear()
    yield live
    client.twilio.cache_clear()
