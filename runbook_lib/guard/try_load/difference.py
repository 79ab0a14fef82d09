"""What a load did to the clone, counted by table: gone, emptied, partly filled, changed, new."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.proof import Proof
from runbook_lib.restore.compare import unread_of


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What the load would do to production. Tables are written `schema.table`; rows are exact counts."""

    gone: tuple[str, ...]
    emptied: tuple[str, ...]
    partly: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    rows_lost: int
    not_proved: int

    @property
    def loses(self) -> bool:
        """Tell whether a whole table's rows would be lost, or more than half of some table's."""
        return bool(self.gone or self.emptied or self.partly)

    @property
    def words(self) -> str:
        """Say it in a line."""
        counts = (
            (len(self.gone), "gone"), (len(self.emptied), "emptied"), (len(self.partly), "partly filled"),
            (len(self.changed), "changed"), (len(self.added), "with rows or tables that are new"),
        )  # fmt: skip
        said = ", ".join(f"{count} {word}" for count, word in counts if count)
        lost = f"; {self.rows_lost:,} rows would be lost" if self.rows_lost else ""
        unread = f"; {self.not_proved} tables could not be read and are NOT PROVED" if self.not_proved else ""
        return f"tables: {said}{lost}{unread}" if said else f"no table is changed{unread}"


def damage_of(proof: Proof) -> Damage:
    """Count what became of the tables of the source, `expected`, on the clone, `found`."""
    kinds: dict[str, list[str]] = {name: [] for name in ("gone", "emptied", "partly", "changed", "added")}
    lost = 0
    for table in proof.tables:
        if table.verdict == "same":
            continue
        missing = (table.expected_rows or 0) if table.verdict == "missing" else table.missing
        lost += max(0, missing - table.extra) if table.verdict == "damaged" else missing
        if table.verdict == "missing":
            kind = "gone"
        elif table.verdict == "emptied":
            kind = "emptied"
        elif (table.found_rows or 0) < (table.expected_rows or 0):
            kind = "partly"
        else:
            kind = "added" if table.verdict == "new since" else "changed"
        kinds[kind].append(str(table.pair.expected))
    unread = len(unread_of(proof))
    return Damage(**{name: tuple(sorted(found)) for name, found in kinds.items()}, rows_lost=lost, not_proved=unread)
