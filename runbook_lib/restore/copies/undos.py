"""Which copies an undo still needs: the data of a copy was brought back, and that can still be undone."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import CredentialsRefused, RunbookError
from runbook_lib.restore.copies.plan import CleanUpPlan
from runbook_lib.swap.state import find_states
from runbook_lib.tags import TAG_PREFIX

_LOST = "when it is gone, bring_back_data cannot undo that any more; the statements that undo it are in its record"


def needed_by_undos(session: AwsSession, plan: CleanUpPlan) -> Mapping[str, str]:
    """Say of each copy that would go whether an undo needs it: a sentence by its name, none where none does.

    The source of a copy keeps what was brought back into it and was not undone. One that cannot be asked is said too.
    """
    sources = {cluster.identifier: cluster for cluster in plan.world.clusters}
    found = {}
    for leftover in plan.delete:
        source = sources.get(leftover.cluster.tags.get(f"{TAG_PREFIX}source", ""))
        if source and (said := _needed(session, source, leftover.name)):
            found[leftover.name] = said
    return found


def _needed(session: AwsSession, source: Cluster, copy: str) -> str:
    try:
        with open_database(source, credentials_for(session, source)) as database:
            of = [
                str(kept["restored"])
                for state in find_states(database)
                if (kept := state.get("plan")) and state.get("swap begun") and not state.get("undone")
            ]
    except CredentialsRefused:
        raise
    except RunbookError as error:
        return f"whether {source.identifier} has data of it that can still be undone is unknown: {error.message}"
    return f"its data was brought back into {source.identifier}: {_LOST}" if copy in of else ""
