"""What many tests share: the database engines of this machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import settings

from runbook_lib.aws import AwsSession
from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Credentials
from runbook_lib.rehearsal.control import Pace
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine, choose_engine, find_engines
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import Story
from tests.copying import Estate
from tests.proving import TwoServers
from tests.storytelling import ToldStory

# How long an example takes is the machine's affair; what failed is printed so that it can be drawn again.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")


def _families() -> list[str]:
    try:
        return [engine.family for engine in find_engines()] or ["none"]
    except InputRefused:
        return ["none"]  # the fixture below says why


@pytest.fixture(scope="session", params=[pytest.param(family, marks=pytest.mark.engine) for family in _families()])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return each engine of this machine in turn. Without one the test fails: what it shows was not shown."""
    try:
        return choose_engine("" if request.param == "none" else request.param)
    except InputRefused as error:
        if os.environ.get("RUNBOOK_ALLOW_NO_ENGINE"):
            pytest.skip(str(error))
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def shared_plane(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    """Return one data plane to the tests of a module."""
    with DataPlane(engine, tmp_path_factory.mktemp("planes")) as plane:
        yield plane


@pytest.fixture
def plane(shared_plane: DataPlane) -> Iterator[DataPlane]:
    """Return a data plane whose clusters are gone after the test."""
    yield shared_plane
    for resource_id in shared_plane.resource_ids:
        shared_plane.delete(resource_id, keep_backup=False)


@pytest.fixture(scope="session")
def two_servers(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServers]:
    """Return two servers to hold against each other, once per engine; each test begins with its own tables."""
    with DataPlane(engine, tmp_path_factory.mktemp("two")) as plane:
        master = Credentials(user="admin", password="two-servers-7")
        for name in ("expected", "found"):
            plane.create(name, master=master)
            plane.open(name)
        with plane.admin("expected") as expected, plane.admin("found") as found:
            yield TwoServers(engine=engine, plane=plane, master=master, expected=expected, found=found)


@pytest.fixture
def estate(two_servers: TwoServers) -> Iterator[Estate]:
    """Return the small estate on both of two servers, empty before; whatever a test makes of it is gone afterwards."""
    sides = Estate(two_servers.plane, two_servers.master)
    sides.clear()
    sides.make()
    yield sides
    sides.clear()


@dataclass(frozen=True)
class Told:
    """A stand-in that the story has just been told to, with this process's environment pointing at it."""

    stand_in: StandIn
    story: Story

    @property
    def session(self) -> AwsSession:
        return self.stand_in.session()


QUICK = Pace(
    cluster=timedelta(milliseconds=200),
    instance=timedelta(milliseconds=200),
    snapshot=timedelta(milliseconds=100),
    modify=timedelta(milliseconds=100),
    delete=timedelta(milliseconds=100),
    lag=timedelta(0),
    unseen=timedelta(milliseconds=150),
)


@pytest.fixture(autouse=True)
def _no_shell_is_left() -> Iterator[None]:
    """End the shell of a notebook that a test has stepped through: where there is one, a change needs a record."""
    yield
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        type(shell).clear_instance()


@pytest.fixture(scope="session")
def told(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Return the whole incident, once per engine: take it for reading and for restoring, do not change the source."""
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("told"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield Told(stand_in, stand_in.tell_story())


@pytest.fixture(scope="session")
def told_story(told: Told) -> ToldStory:
    """Return the same story with its data plane, for tests that need no AWS."""
    return ToldStory(plane=told.stand_in.data, story=told.story, source=told.stand_in.source_id)


_ON_BOTH = ("test_proof", "test_dump", "test_timeline_b", "test_timeline_l", "test_mysql", "test_guard_accounts")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep tests that share something costly in one process: a told story, or what a module sets up for itself.

    A second engine waits for the next longer run, but where what servers write and answer is all that is tested: what
    `make test` runs on the first one the thorough run has on both, and what the thorough run has a release has on both.
    """
    if not isinstance(item, pytest.Function):
        return
    if "engine" in item.fixturenames and not item.path.stem.startswith(_ON_BOTH) and not _on_first_engine(item):
        item.add_marker(pytest.mark.release if item.get_closest_marker("thorough") else pytest.mark.thorough)
    if item.get_closest_marker("both_at_release") and not _on_first_engine(item):
        item.add_marker(pytest.mark.release)
    if item.get_closest_marker("xdist_group"):
        return
    on = f"-{item.callspec.params['engine']}" if "engine" in item.fixturenames else ""
    if "told" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group(f"story{on}"))
    elif "two_servers" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group(f"two-servers{on}"))
    elif any(definition.scope == "module" for definition in _fixtures_of(item)):
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{on}"))


def _fixtures_of(item: pytest.Function) -> list[pytest.FixtureDef[object]]:
    found = item._fixtureinfo.name2fixturedefs  # pytest has no public way to a fixture's scope
    return [definitions[-1] for definitions in found.values()]


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist keep the order below (it would begin with the largest group), and let Ctrl-C mean Ctrl-C."""
    config.option.loadscopereorder = False
    # A shell that puts the tests into the background has them ignore Ctrl-C, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the told story last: it stays open to the end, and a process can hold only one rehearsal's AWS.

    What is marked `one_engine` does not depend on the database server and runs on the first that is found.
    """
    twice = [item for item in items if item.get_closest_marker("one_engine") and not _on_first_engine(item)]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]
    items.sort(key=lambda item: "told" in getattr(item, "fixturenames", ()))


def _on_first_engine(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    return item.callspec.params.get("engine", first := _families()[-1]) == first


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how each ending is recorded, beside what papermill alone records of the same notebook."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    rows = sorted(value for report in reports for name, value in report.user_properties if name == "ending")
    if not rows:
        return
    head = ["situation", "our record (exit code)", "its cells", "plain papermill", "its cells"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    terminalreporter.section("how runs end, and what papermill alone says of the same notebook")
    for row in [head, *rows]:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
