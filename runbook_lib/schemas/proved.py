"""Hold a proof against the contract: what the contract wants and the proof did not find."""

from __future__ import annotations

from collections.abc import Iterator

from runbook_lib.proof import Proof, TableVerdict
from runbook_lib.schemas.comparing import MISSING, MISSING_SCHEMA, TOO_FEW, Difference
from runbook_lib.schemas.contract import Contract, ExpectedTable


def proof_against_contract(proof: Proof, contract: Contract) -> tuple[Difference, ...]:
    """Compare the exact numbers of a proof's found side with the contract, for every schema of it.

    Rows and tables only: columns and freshness are read from the server itself by `against_contract`.
    """
    found: list[Difference] = []
    for schema, wanted in contract.schemas.items():
        there = {
            table.pair.found.name: table
            for table in proof.tables
            if table.pair.found.schema == schema and table.found_rows is not None
        }
        if not there and (wanted.tables or wanted.min_tables):
            detail = f"{proof.found} has no table in it; the contract says: {wanted.purpose}"
            found.append(Difference(schema=schema, table="", what=MISSING_SCHEMA, detail=detail))
            continue
        if len(there) < wanted.min_tables:
            detail = f"{len(there)} tables, the contract wants at least {wanted.min_tables}"
            found.append(Difference(schema=schema, table="", what=MISSING, detail=detail))
        for expected in wanted.tables:
            found += _of_table(schema, expected, there)
    return tuple(found)


def _of_table(schema: str, expected: ExpectedTable, there: dict[str, TableVerdict]) -> Iterator[Difference]:
    matching = [table for name, table in there.items() if expected.matches(name)]
    if not matching:
        detail = "no table has a name of this pattern" if expected.is_pattern else "there is no table of this name"
        yield Difference(schema=schema, table=expected.name, what=MISSING, detail=detail)
    for table in matching:
        rows = table.found_rows or 0
        if rows < expected.min_rows:
            detail = f"it has {rows:,}, the contract wants at least {expected.min_rows:,}"
            yield Difference(schema=schema, table=table.pair.found.name, what=TOO_FEW, detail=detail)
