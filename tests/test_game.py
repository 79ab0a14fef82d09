"""A game: six incidents that nobody names, the best way out of each by the notebooks, and a verdict of its own."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.records.run import RunRecord, run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal import game
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.game.incidents import INCIDENTS, drawn
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import utc_now
from tests.conftest import QUICK

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SEED = 7
NUMBERS = {drawn(number, seed=SEED).key: number for number in range(1, game.COUNT + 1)}


class Table:
    """A game that is on, and a player who steps through the notebooks headless."""

    def __init__(self, stand_in: StandIn, scene: game.Scene, store: Store) -> None:
        self.stand_in, self.scene, self.store = stand_in, scene, store

    def run(self, name: str, **parameters: Any) -> RunRecord:
        given = {"region": self.stand_in.control.region, **parameters}
        return run_notebook(
            NOTEBOOKS / f"{name}.ipynb", parameters=given, incident=self.scene.name, store=self.store, approver="ann"
        )

    def decide(self, name: str, **parameters: Any) -> RunRecord:
        """Look at the plan, and approve it."""
        planned = self.run(name, **parameters)
        assert planned.result is not None, planned.lines
        return self.run(name, **parameters, approve=planned.result["plan_id"])

    def close(self) -> tuple[game.Closed, str]:
        verdict = game.judge(self.stand_in, self.scene)
        closed, path = game.close(self.scene, verdict, store=self.store, now=utc_now())
        return closed, path.with_suffix(".md").read_text()


@contextmanager
def playing(engine: Engine, key: str, folder: Path) -> Iterator[Table]:
    with StandIn(engine, folder=folder / "plane", pace=QUICK) as stand_in, stand_in.control.in_environment():
        yield Table(stand_in, game.happen(stand_in, number=NUMBERS[key], seed=SEED), Store(folder / "records"))


def test_every_number_is_another_incident_and_the_seed_says_which() -> None:
    """It should not be the order in which they are listed."""
    assert sorted(NUMBERS.values()) == list(range(1, 7))
    assert [drawn(number, seed=SEED) for number in range(1, 7)] != list(INCIDENTS)
    assert {drawn(1, seed=seed).key for seed in range(60)} == {incident.key for incident in INCIDENTS}


SOONER = ("a cluster deleted",)  # the shortest way of the six: one restore


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "key",
    [
        pytest.param(one.key, marks=pytest.mark.thorough if one.key in SOONER else pytest.mark.release)
        for one in INCIDENTS
    ],
)
def test_the_best_way_brings_everything_back(engine: Engine, key: str, tmp_path: Path) -> None:
    """It should be what the closing page says it is, and the page should find nothing that is better."""
    with playing(engine, key, tmp_path) as table:
        scene = table.scene
        assert game.judge(table.stand_in, scene).answer == "not back"
        looked = table.run("inspect_backups", timestamp="latest")
        for step in scene.best:
            done = table.decide(step.notebook, **step.parameters)
            assert (done.outcome, done.exit_code) == ("succeeded", 0), done.lines
        closed, page = table.close()
    assert closed.verdict == game.Verdict(answer="back", rows_missing=0), closed.verdict.wrong
    assert looked.notebook == closed.decisions[0].notebook == "inspect_backups"
    assert [one.changed for one in closed.decisions] == [False, *[False, True] * len(scene.best)]
    assert all(one.by.startswith("ann") for one in closed.decisions if one.changed)
    assert key in page
    assert "✔ The data is back, " in page
    assert "AFTER the damage" not in page
    assert looked.exit_code == (0 if scene.incident.lasts else 2)
    if not scene.incident.lasts:
        assert f'restore_from="{scene.facts.resource_id}"' in " ".join(looked.lines)
    if key == "a wrong WHERE in an UPDATE":
        assert closed.decisions[2].second == scene.facts.second
        assert "1 second before the damage began" in page


@pytest.mark.release
@pytest.mark.one_engine
def test_a_second_after_the_damage_is_named_and_the_data_is_not_back(engine: Engine, tmp_path: Path) -> None:
    """It should not believe records that say "succeeded": the snapshot that was restored holds the damage."""
    with playing(engine, "a snapshot taken after the damage", tmp_path) as table:
        cluster = table.stand_in.cluster
        restored = table.decide("restore_to_timestamp", cluster=cluster, restore_from=table.scene.facts.snapshot)
        compared = table.run("bring_back_data", cluster=cluster, way="compare")
        closed, page = table.close()
        assert (restored.outcome, compared.outcome) == ("succeeded", "succeeded")
        assert closed.verdict.answer == "not back"
        assert [line.partition(":")[0] for line in closed.verdict.wrong] == ["staging.payments"]
        assert closed.verdict.rows_missing
        assert closed.verdict.rows_missing > 1000
        assert "AFTER the damage began: the copy is damaged too" in page
        assert f"| rows missing now | {closed.verdict.rows_missing:,} | 0 |" in page
        table.stand_in.data.shut(table.stand_in.source_id)
        table.stand_in.data.delete(table.stand_in.source_id, keep_backup=False)
        assert game.judge(table.stand_in, table.scene).answer == "could not look"


@pytest.mark.release
@pytest.mark.one_engine
def test_a_player_at_the_command_line_is_told_a_sentence_and_the_game_ends_when_the_data_is_right(
    engine: Engine, tmp_path: Path
) -> None:
    """It should tell the player nothing but the page, and find by itself that the data is back."""
    number = str(NUMBERS["a wrong WHERE in an UPDATE"])
    command = [
        *(sys.executable, "-c", "from runbook_lib.cli import main; main()", "rehearse", "--game", number, "--no-lab"),
        *("--until-solved", "--engine", engine.family, "--records", str(tmp_path / "records")),
    ]
    with subprocess.Popen(command, cwd=NOTEBOOKS.parent, stdout=subprocess.PIPE, text=True) as game_process:
        try:
            assert game_process.stdout is not None
            said = []
            for line in game_process.stdout:
                said.append(line)
                if "--incident " in line:
                    break
            told = "".join(line for line in said if not line.startswith("export"))
            assert "free at once" in told
            assert "UPDATE" not in told
            exports = [line.removeprefix("export ").split("=", 1) for line in said if line.startswith("export")]
            environment = {name: shlex.split(value)[0] for name, value in exports}
            name = said[-1].split("--incident ")[1].strip()

            def run(notebook: str, **given: str) -> dict[str, Any]:
                record = run_notebook(
                    NOTEBOOKS / f"{notebook}.ipynb", parameters=given, incident=name,
                    store=Store(tmp_path / "records"), environment=environment,
                )  # fmt: skip
                assert record.result is not None, record.lines
                return record.result

            second = run("inspect_backups")["facts"]["proposed second"]
            for notebook, given in (
                ("restore_to_timestamp", {"timestamp": second}),
                ("bring_back_data", {"way": "copy", "tables": "staging.rooms", "conflicts": "copy"}),
            ):
                run(notebook, **given, approve=run(notebook, **given)["plan_id"])
            out, _ = game_process.communicate(timeout=240)
        finally:
            game_process.kill()
    assert game_process.returncode == 0, out
    assert "✔ The data is back" in out
    assert "an UPDATE of a large share of staging.rooms" in " ".join(out.split())
