"""What many tests share: the database engines of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runbook_lib.errors import InputRefused
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine, choose_engine, find_engines
from tests.storytelling import ToldStory, told_on


def _families() -> list[str]:
    try:
        return [engine.family for engine in find_engines()] or ["none"]
    except InputRefused:
        return ["none"]  # the fixture below says why


@pytest.fixture(scope="session", params=[pytest.param(family, marks=pytest.mark.engine) for family in _families()])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Give each engine of this machine in turn. Without one the test fails: what it shows was not shown."""
    try:
        return choose_engine("" if request.param == "none" else request.param)
    except InputRefused as error:
        if os.environ.get("RUNBOOK_ALLOW_NO_ENGINE"):
            pytest.skip(str(error))
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def shared_plane(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    """Give one data plane to the tests of a module."""
    with DataPlane(engine, tmp_path_factory.mktemp("planes")) as plane:
        yield plane


@pytest.fixture
def plane(shared_plane: DataPlane) -> Iterator[DataPlane]:
    """Give a data plane whose clusters are gone after the test."""
    yield shared_plane
    for resource_id in shared_plane.resource_ids:
        shared_plane.delete(resource_id, keep_backup=False)


@pytest.fixture(scope="session")
def told_story(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToldStory]:
    """Give the whole story, told once an engine. Read its source and restore from it; write only to copies."""
    with DataPlane(engine, tmp_path_factory.mktemp("told")) as plane:
        yield told_on(plane)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests that share a told story in one process, so that it is told once."""
    if isinstance(item, pytest.Function) and "told_story" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group(f"story-{item.callspec.params['engine']}"))
