"""The end of the page to begin with: who is signed in, and where."""

from __future__ import annotations

from runbook_lib.aws import Identity
from runbook_lib.display.result import Result


def where_to_begin(identity: Identity, *, region: str) -> Result:
    """Say as whom AWS has just known the reader, and what to open next."""
    return Result(
        notebook="index",
        outcome="succeeded",
        headline=f"signed in to account {identity.account}, {region}",
        facts={"caller": identity.arn},
        next=(
            "If that is the account of the damaged database: open the notebook of your line above.",
            "If it is another one: sign in there, and run this page again.",
        ),
    )
