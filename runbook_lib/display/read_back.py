"""Show a read-back: what differs first, then every setting of both sides."""

from __future__ import annotations

from collections.abc import Sequence

from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.restore.read_back import Compared, ReadBack

_SIGNS = {"as planned": "as planned", "differs": "✘ DIFFERS"}
_MARKS = {"as planned": "warn", "differs": "bad"}
_COLUMNS = ("", "of", "setting", "source now", "copy now", "why")


def read_back_sheet(found: ReadBack | None) -> Stack:
    """Show the settings of the source and the copy side by side, the red ones first."""
    if found is None:
        return Stack(headline="Nothing to compare: nothing was applied, or the source is gone.")
    red, planned, same = found.of("differs"), found.of("as planned"), found.of("same")
    tables = [_table("Differs, and should not", red)] if red else []
    tables += [_table("Differs as planned", planned)] if planned else []
    # a setting that neither side has would only hide the others
    set_ = [row for row in same if row.source != "—"]
    note = f"{len(same) - len(set_)} more are set on neither side." if len(same) > len(set_) else ""
    tables.append(
        Table(
            title=f"The same on both sides: {len(set_)}",
            columns=("of", "setting", "source now", "copy now"),
            rows=tuple((row.what, row.name, row.source, row.copy) for row in set_),
            note=note,
        )
    )
    return Stack(
        headline=f"{found.copy} beside {found.source}: {len(same)} settings are the same, "
        f"{len(planned)} differ as planned, {len(red)} differ",
        tables=tuple(tables),
        closing=_closing(red),
    )


def _table(title: str, rows: Sequence[Compared]) -> Table:
    return Table(
        title=f"{title}: {len(rows)}",
        columns=_COLUMNS,
        rows=tuple((_SIGNS[row.verdict], row.what, row.name, row.source, row.copy, row.why) for row in rows),
        marks={index: _MARKS[row.verdict] for index, row in enumerate(rows)},
    )


def _closing(red: Sequence[Compared]) -> str:
    if not red:
        return ""
    names = ", ".join(f"{row.name} of {row.what}" for row in red)
    return f"Set right before anybody relies on the copy: {names}."
