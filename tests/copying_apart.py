"""One copy back in a process of its own, so that a test can kill it at a chosen statement."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from functools import partial

from runbook_lib.bringback.copy import CopyChoices, apply_copy_back, apply_undo, propose_copy_back, propose_undo
from runbook_lib.mysql import Credentials, Database, Endpoint, connect
from runbook_lib.proof import Side


def die_before(words: str, times: int) -> None:
    """Have this process killed, as by power, right before the so-manieth statement that holds some words."""
    original = Database.execute
    left = [times]

    def execute(self: Database, sql: str, values: object = None) -> int:
        if words in sql:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return original(self, sql, values)  # type: ignore[arg-type]

    Database.execute = execute  # type: ignore[method-assign]


def main() -> None:
    """Read from stdin what to do, and do it."""
    told = json.loads(sys.stdin.read())
    sides = [
        Side(name=name, connect=partial(connect, Endpoint(**told[name]), Credentials(**told["master"])))
        for name in ("copy", "source")
    ]
    if told["words"]:
        die_before(told["words"], told["times"])
    if told["undo"]:
        undo = propose_undo(sides[1])
        apply_undo(sides[1], undo, approve=undo.id)
    else:
        through = told.get("through", "")
        kept = {} if through else {"rows": "keep new", "conflicts": "copy", "definitions": "copy"}
        choices = CopyChoices(tables=tuple(told["tables"]), through=through, **kept)
        plan = propose_copy_back(*sides, proof=None, choices=choices, now=datetime.fromisoformat(told["now"]))
        apply_copy_back(*sides, plan, approve=plan.id)


if __name__ == "__main__":
    main()
