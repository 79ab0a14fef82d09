"""One engineer's cut-over in a process of its own, so that a test can kill it: plan, approve, apply."""

from __future__ import annotations

import sys

from runbook_lib.aws import connect
from runbook_lib.bringback.cutover import apply_cut_over, propose_cut_over
from runbook_lib.times import utc_now


def main(cluster: str, approve: str) -> None:
    """Apply the cut-over of a cluster to its copy."""
    session = connect()
    apply_cut_over(session, propose_cut_over(session, source=cluster, now=utc_now()), approve=approve)


if __name__ == "__main__":
    main(*sys.argv[1:])
