"""The default flow and imports are atomic: stored completely or not at all."""

import pytest

from relais.flows.default_flow import publish_first_flow
from relais.flows.import_export import import_file
from relais.flows.library import path_of
from relais.flows.models import Flow, Revision

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    pass


@pytest.fixture
def killed(monkeypatch):
    def die(*_args, **_more):
        raise Killed

    monkeypatch.setattr(Revision, "publish", die)
    yield
    monkeypatch.undo()


def test_the_first_start_publishes_a_flow_that_answers(clock):
    for _start in range(2):
        publish_first_flow(at=clock.now)
    assert Flow.objects.get(answers=True).published.number == 1


def test_a_killed_first_start_is_completed_by_the_next(clock, killed):
    with pytest.raises(Killed):
        publish_first_flow(at=clock.now)
    assert not Flow.objects.exists()


def test_a_killed_import_stores_nothing(clock, killed):
    with pytest.raises(Killed):
        import_file(str(path_of("mercedes")), name="essai", publish=True, answers=True, at=clock.now)
    assert not Flow.objects.exists()
