"""Prove that data is right: two servers compared down to the row, and one server against an earlier proof."""

from runbook_lib.proof.estate import ProofOptions
from runbook_lib.proof.guard import Guard
from runbook_lib.proof.keeping import read_proof, record_proof
from runbook_lib.proof.objects import ObjectDifference
from runbook_lib.proof.proving import hold, prove
from runbook_lib.proof.values import (
    EVERYTHING,
    LOST,
    VERDICTS,
    Digest,
    Outcome,
    Pair,
    Proof,
    RowDifference,
    Side,
    TableVerdict,
    Verdict,
)  # fmt: skip

__all__ = [
    "EVERYTHING",
    "LOST",
    "VERDICTS",
    "Digest",
    "Guard",
    "ObjectDifference",
    "Outcome",
    "Pair",
    "Proof",
    "ProofOptions",
    "RowDifference",
    "Side",
    "TableVerdict",
    "Verdict",
    "hold",
    "prove",
    "read_proof",
    "record_proof",
]
