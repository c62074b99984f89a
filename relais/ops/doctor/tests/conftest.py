"""The context of a healthy installation, which each test breaks in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo
from starlette.applications import Starlette

from relais.emulator.testing import RunningDouble, ServerThread, running_double
from relais.ops.doctor.context import DoctorContext
from relais.ops.doctor.result import CheckResult, State
from relais.whatsapp import client
from relais.whatsapp.inbound.routes import HookRoutes

TOKEN = "0123456789abcdef" * 2
SECRET = "un-secret-pour-studio"


@pytest.fixture
def environment(settings, tmp_path):
    """A correct configuration, except that nothing listens at the public address."""
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
def context(environment):
    return DoctorContext(environment)


@pytest.fixture
def with_database(transactional_db, context):
    settings_dict = connection.settings_dict
    dsn = make_conninfo(
        dbname=settings_dict["NAME"],
        user=settings_dict["USER"],
        host=settings_dict["HOST"],
        port=settings_dict["PORT"],
    )
    return replace(context, environment=replace(context.environment, database_url=dsn))


def with_environment(context: DoctorContext, **changes: Any) -> DoctorContext:
    return replace(context, environment=replace(context.environment, **changes))


def states(check: Callable[[DoctorContext], Iterator[CheckResult]], context: DoctorContext) -> list[str]:
    return [result.state.value for result in check(context)]


def only_problem(
    check: Callable[[DoctorContext], Iterator[CheckResult]], context: DoctorContext
) -> CheckResult:
    """The only result that is not ok; it has advice."""
    [problem] = [result for result in check(context) if result.state != State.OK]
    assert problem.advice
    return problem


@pytest.fixture
def reachable(db, context, settings) -> Iterator[DoctorContext]:
    """The hooks of Relais answer at the public address."""
    hooks = HookRoutes()
    server = ServerThread(Starlette(routes=hooks.routes))
    reachable = with_environment(context, public_base_url=server.url)
    settings.ENVIRONMENT = reachable.environment
    yield reachable
    server.stop()
    hooks.close()


@pytest.fixture
def double(settings, context) -> Iterator[RunningDouble]:
    environment = context.environment
    with running_double(
        account_sid=environment.twilio_account_sid,
        auth_token=environment.twilio_auth_token,
        sender="whatsapp:+212522000000",
        webhook=f"{environment.public_base_url}/api/twilio/message#rc=3&rp=5xx,ct,rt",
    ) as double:
        yield double


@pytest.fixture
def connected(double, context, settings) -> Iterator[DoctorContext]:
    """The double stands for Twilio, with `live` checks on."""
    live = replace(
        with_environment(context, twilio_api_base_url=double.url, whatsapp_number="whatsapp:+212522000000"),
        live=True,
    )
    settings.ENVIRONMENT = live.environment
    client.twilio.cache_clear()
    yield live
    client.twilio.cache_clear()
