"""Where a run stands, for those who watch it, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.records.outcomes import CellState


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands. `cell` counts from 1; `heading` is the last one above the cell.

    `heartbeat` tells that nothing changed and the line only shows life.
    """

    cell: int
    cells: int
    heading: str
    state: CellState
    cell_seconds: float
    run_seconds: float
    heartbeat: bool = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Deadlines in seconds (0: none), and how often a line says that the run lives."""

    cell_seconds: float = 0
    run_seconds: float = 0
    heartbeat_seconds: float = 30
