"""A demo of its own for each module that asks for one."""

from collections.abc import Iterator

import pytest

from relais.bench.instance import RelaisInstance, running_instance
from tests.browser import SharedBrowser, StoryRunner
from tests.stories.demo_browsers import DemoBrowsers


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelaisInstance]:
    with running_instance(tmp_path_factory.mktemp("demo") / "données d'essai") as desk:
        yield desk


@pytest.fixture
def run_demo_story(demo: RelaisInstance, shared_browser: SharedBrowser) -> StoryRunner:
    return StoryRunner(demo.url, shared_browser, DemoBrowsers, screenshot_folder=demo.folder.parent)
