"""What a proof is made of: the sides, what was found of each table, and the verdicts, as values and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database
from runbook_lib.proof.folding import Fold
from runbook_lib.proof.objects import ObjectDifference

Verdict = Literal["same", "missing", "emptied", "damaged", "new since"]
SAME: Verdict = "same"
MISSING: Verdict = "missing"
EMPTIED: Verdict = "emptied"
DAMAGED: Verdict = "damaged"
NEW: Verdict = "new since"
Outcome = Literal["same", "different", "not proved"]
VERDICTS: tuple[Verdict, ...] = (MISSING, EMPTIED, DAMAGED, NEW, SAME)
LOST: frozenset[str] = frozenset({MISSING, EMPTIED, DAMAGED})
"""The verdicts of tables that lost something. "new since" lost nothing: the table or some of its rows are new."""

HIDDEN = "(personal)"
EVERYTHING = ("*",)
"""The pattern of personal columns that is every one but a key that is one whole number."""
VERSION = 3
"""Of what is written: how a proof stands in JSON, and how rows are written before they are hashed."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two servers: its name for people, and how to open one more connection to it. It is only read.

    `place` is what no other cluster has (its ARN and resource id), for the ids of plans; empty where that is not known.
    """

    name: str
    connect: Callable[[], Database] = field(repr=False)
    place: str = ""


@dataclass(frozen=True, kw_only=True, order=True)
class Pair:
    """Two tables that should be equal; their names may differ."""

    expected: TableName
    found: TableName


@dataclass(frozen=True, kw_only=True)
class Digest:
    """The rows of a table in short: their number, and a 64-bit hash of each of them, folded into one number.

    `ways` says for each hashed column in which way its value was written and `fold` how the hashes were folded, so
    that a later server can be asked for the same number. It holds no value of the table.
    """

    rows: int
    total: int
    fold: Fold
    ways: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowDifference:
    """One row that differs: by its key, and for a changed row the values of the columns that differ.

    A value of a personal column is never here. Values are texts as the server writes them, cut at some length.
    """

    kind: Literal["missing", "extra", "changed"]
    key: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    found: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[Any, ...]:
        """Return where it stands among others: by kind, then by key, numbers by their value."""
        kinds = ("missing", "changed", "extra")
        values = ((0, int(value), "") if value.isdecimal() else (1, 0, value) for _, value in self.key)
        return (kinds.index(self.kind), *values, self.expected, self.found)


@dataclass(frozen=True, kw_only=True)
class TableVerdict:
    """What is known of one pair of tables. Counts are exact; None where the table is not there.

    `missing` rows are only on the expected side, `extra` ones only on the other; `changed` ones have their key on
    both. Without a key nothing can be called changed. `columns` are those seen to differ in changed rows, `definition`
    says what differs in the definition: it is reported beside the verdict, and only a lost column changes that.
    """

    pair: Pair
    verdict: Verdict
    expected_rows: int | None = None
    found_rows: int | None = None
    missing: int = 0
    extra: int = 0
    changed: int = 0
    columns: tuple[str, ...] = ()
    samples: tuple[RowDifference, ...] = ()
    definition: tuple[str, ...] = ()
    expected_digest: Digest | None = None
    found_digest: Digest | None = None

    @property
    def digest(self) -> Digest | None:
        """Return the digest of what was expected: a later server is held against it."""
        return self.expected_digest


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What became of every pair of tables. `expected` and `found` are the names of the sides.

    `objects` are the views, routines, triggers, events and sequences that differ; None: they were not compared.
    `unseen` says which tables an account could not see, `not_compared` what else was left out.
    `with_json` is how many tables have JSON columns, which are compared by their text.
    """

    expected: str
    found: str
    tables: tuple[TableVerdict, ...]
    seconds: float = 0.0
    objects: tuple[ObjectDifference, ...] | None = None
    unseen: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    with_json: int = 0

    @property
    def verdict(self) -> Outcome:
        """Say whether every table and object is the same; "not proved" where none was compared or not all were seen.

        Where only tables or rows are new since, it is different too.
        """
        if self.objects or any(table.verdict != SAME for table in self.tables):
            return "different"
        return "same" if self.tables and not self.unseen else "not proved"

    @property
    def damaged(self) -> tuple[TableName, ...]:
        """Return the expected tables that are missing, emptied or damaged on the other side, sorted."""
        return tuple(sorted(table.pair.expected for table in self.tables if table.verdict in LOST))

    @property
    def schemas(self) -> Mapping[str, Mapping[Verdict, int]]:
        """Count the tables of each schema by verdict."""
        counts: dict[str, dict[Verdict, int]] = {}
        for table in self.tables:
            of_schema = counts.setdefault(table.pair.expected.schema, dict.fromkeys(VERDICTS, 0))
            of_schema[table.verdict] += 1
        return dict(sorted(counts.items()))

    def of(self, verdict: Verdict) -> tuple[TableVerdict, ...]:
        """Return the tables of one verdict."""
        return tuple(table for table in self.tables if table.verdict == verdict)

    def table(self, name: TableName) -> TableVerdict:
        """Return what was found of an expected table.

        Raises:
            KeyError: it is not part of this proof.
        """
        for table in self.tables:
            if table.pair.expected == name:
                return table
        raise KeyError(str(name))

    def to_json(self, *, samples: bool = True) -> dict[str, Any]:
        """Return the proof as what `json.dumps` takes. Without samples it holds names, counts and hashes only."""
        return {
            "version": VERSION,
            "expected": self.expected,
            "found": self.found,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
            "tables": [table_to_json(table, samples=samples) for table in self.tables],
            "objects": None if self.objects is None else [vars(one) | {"what": list(one.what)} for one in self.objects],
            "unseen": list(self.unseen),
            "not_compared": list(self.not_compared),
            "json_compared_by_text": self.with_json,
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Proof:
        """Read back what `to_json` gave.

        Raises:
            ValueError: it is of another version.
        """
        if stored.get("version") != VERSION:
            raise ValueError(f"it is of version {stored.get('version')!r}, and only version {VERSION} is read")
        return Proof(
            expected=stored["expected"],
            found=stored["found"],
            tables=tuple(table_from_json(table) for table in stored["tables"]),
            seconds=float(stored["seconds"]),
            objects=None if stored.get("objects") is None else tuple(map(_object_from_json, stored["objects"])),
            unseen=tuple(stored.get("unseen", ())),
            not_compared=tuple(stored.get("not_compared", ())),
            with_json=int(stored.get("json_compared_by_text", 0)),
        )


def _object_from_json(stored: Mapping[str, Any]) -> ObjectDifference:
    return ObjectDifference(**{**stored, "what": tuple(stored["what"])})


def table_to_json(table: TableVerdict, *, samples: bool = True) -> dict[str, Any]:
    """Return one table's verdict as what `json.dumps` takes."""
    return {
        "expected": [table.pair.expected.schema, table.pair.expected.name],
        "found": [table.pair.found.schema, table.pair.found.name],
        "verdict": table.verdict,
        "rows": [table.expected_rows, table.found_rows],
        "missing": table.missing,
        "extra": table.extra,
        "changed": table.changed,
        "columns": list(table.columns),
        "samples": [_row_to_json(row) for row in table.samples] if samples else [],
        "definition": list(table.definition) if samples else [],
        "digests": [_digest_to_json(table.expected_digest), _digest_to_json(table.found_digest)],
    }


def table_from_json(stored: Mapping[str, Any]) -> TableVerdict:
    """Read one table's verdict back."""
    expected, found = (TableName(schema=schema, name=name) for schema, name in (stored["expected"], stored["found"]))
    digests = [_digest_from_json(digest) for digest in stored["digests"]]
    return TableVerdict(
        pair=Pair(expected=expected, found=found),
        verdict=stored["verdict"],
        expected_rows=stored["rows"][0],
        found_rows=stored["rows"][1],
        missing=stored["missing"],
        extra=stored["extra"],
        changed=stored["changed"],
        columns=tuple(stored["columns"]),
        samples=tuple(row_from_json(row) for row in stored["samples"]),
        definition=tuple(stored["definition"]),
        expected_digest=digests[0],
        found_digest=digests[1],
    )


def _row_to_json(row: RowDifference) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "key": [list(part) for part in row.key],
        "columns": list(row.columns),
        "expected": list(row.expected),
        "found": list(row.found),
    }


def rows_to_json(rows: Iterable[RowDifference]) -> list[dict[str, Any]]:
    """Return rows as what `json.dumps` takes."""
    return [_row_to_json(row) for row in rows]


def row_from_json(stored: Mapping[str, Any]) -> RowDifference:
    """Read one row back."""
    return RowDifference(
        kind=stored["kind"],
        key=tuple((str(name), str(value)) for name, value in stored["key"]),
        columns=tuple(stored["columns"]),
        expected=tuple(stored["expected"]),
        found=tuple(stored["found"]),
    )


def _digest_to_json(digest: Digest | None) -> dict[str, Any] | None:
    if digest is None:
        return None
    return {
        "rows": digest.rows,
        "total": str(digest.total),  # as text: it is longer than what JSON readers keep exactly
        "fold": digest.fold,
        "ways": [list(way) for way in digest.ways],
    }


def _digest_from_json(stored: Mapping[str, Any] | None) -> Digest | None:
    if stored is None:
        return None
    ways = tuple((str(name), str(way)) for name, way in stored["ways"])
    return Digest(rows=int(stored["rows"]), total=int(stored["total"]), fold=stored["fold"], ways=ways)
