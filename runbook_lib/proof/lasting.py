"""Keep a proof in the record of its run, and read it back: names, counts and hashes, no value of any row."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from runbook_lib.errors import InputRefused
from runbook_lib.events import EVENTS_VARIABLE, announce
from runbook_lib.proof.values import Proof

log = logging.getLogger(__name__)

FILE = "proof.json"


def record_proof(proof: Proof) -> Path | None:
    """Write a proof into the record of this run, if it has one. A record that takes nothing does not stop the run."""
    announce(
        "proof",
        expected=proof.expected,
        found=proof.found,
        verdict=proof.verdict,
        tables=len(proof.tables),
        damaged=[str(table) for table in proof.damaged],
    )
    events = os.environ.get(EVENTS_VARIABLE, "")
    if not events:
        return None
    path = Path(events).parent / FILE
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(proof.to_json(samples=False), ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        log.warning("The proof is not in the record: %s", error.strerror)
        return None
    return path


def read_proof(path: Path) -> Proof:
    """Read the proof that a record keeps; `path` is the file or the record's folder.

    Raises:
        InputRefused: there is none, or it cannot be read.
    """
    file = path / FILE if path.is_dir() else path
    try:
        return Proof.from_json(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputRefused(
            f'There is no proof in "{path}": {error.strerror}.', hint="Name a record's folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            f'"{file}" is not a proof that can be read here: {error}.',
            hint="Name the file as a run left it; one of another version has to be made again.",
        ) from error
