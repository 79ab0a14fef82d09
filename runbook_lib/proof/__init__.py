"""Prove that data is right: two servers compared down to the row, and one server against an earlier proof."""

from runbook_lib.proof.guard import Guard
from runbook_lib.proof.holding import hold
from runbook_lib.proof.proving import prove
from runbook_lib.proof.values import VERDICTS, Digest, Pair, Proof, RowDifference, Side, TableVerdict, Verdict

__all__ = [
    "VERDICTS",
    "Digest",
    "Guard",
    "Pair",
    "Proof",
    "RowDifference",
    "Side",
    "TableVerdict",
    "Verdict",
    "hold",
    "prove",
]
