"""`runbook validate`: answer AWS Backup's restore test, after a proof."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.plain import json_line

if TYPE_CHECKING:
    from runbook_lib.drills.validate import Validation


@click.command(short_help="Prove what AWS Backup's restore test has restored, and answer it.")
@click.argument("event", metavar="EVENT")
@click.option("--region", default="", help="AWS region; empty takes the one of the environment.")
@click.option("--secret", default="", metavar="NAME", help="Secrets Manager name of the source's database account.")
@click.option("--standing", default="", metavar="FILE", help="A standing approval for drills: an instance may be made.")
@click.option("--instance-class", default="", metavar="CLASS", help="That instance's class; empty takes the source's.")
@click.option("--records", default="", metavar="DIR", help="The store of records: earlier proofs, and this one's.")
@click.option("--json", "as_json", is_flag=True, help="Write the answer as one JSON object.")
def command(  # noqa: PLR0913  # one for each option
    event: str, region: str, secret: str, standing: str, instance_class: str, records: str, as_json: bool
) -> int:
    """Read an EventBridge EVENT ("Restore Job State Change") from a file, or - for the standard input.

    The cluster that the restore test has made is proved against the last sealed proof, the living source and its binary
    log. AWS Backup is answered SUCCESSFUL only if all of it is proved, else FAILED. Exit code 0: SUCCESSFUL; 3: FAILED;
    2: it is no event of a restore test, and nothing was answered. Each leaves a record, the proof sealed in it.
    """
    from runbook_lib.aws import connect
    from runbook_lib.drills.validate import Means, validate_restore
    from runbook_lib.guard.standing import read_standing
    from runbook_lib.records.acts import recorded
    from runbook_lib.records.drills import last_proof
    from runbook_lib.records.store import Store, default_store
    from runbook_lib.times import utc_now

    store = Store(Path(records)) if records else default_store()
    means = Means(
        now=utc_now(),
        secret=secret,
        signed=read_standing(standing) if standing else None,
        instance_class=instance_class,
        earlier=lambda cluster: last_proof(cluster, store=store),
    )
    content = _read(event)
    call = shlex.join(["runbook", "validate", event, *(["--standing", standing] if standing else [])])
    given = {"event": content, "region": region, "standing": standing, "instance_class": instance_class}
    with recorded(store, name="validate_restore", call=call, parameters=given) as act:
        answer = validate_restore(connect(region=region), content, means=means)
        act.result = _result(answer, by=means.signed.words if means.signed else "")
    said = json_line({**answer.as_json(), "record": str(act.folder)})
    click.echo(said if as_json else f"{answer.status}: {answer.message}\nThe record is in {act.folder}")
    return 0 if answer.status == "SUCCESSFUL" else CheckFailed.exit_code


def _result(answer: Validation, *, by: str) -> dict[str, Any]:
    """Return what came of it as a notebook's last cell would show it."""
    verdict, rows = (answer.proof.verdict, answer.proof.rows_proved) if answer.proof else ("not made", 0)
    return {
        "version": 1,
        "notebook": "validate_restore",
        "outcome": "succeeded" if answer.status == "SUCCESSFUL" else "check-failed",
        "headline": f"{answer.status}: {answer.message}",
        "cluster": answer.source,
        "plan_id": "",
        "approved_by": by if answer.made else "",
        "changed": [answer.made] if answer.made else [],
        "facts": {
            "restore job": answer.job_id,
            "restored cluster": answer.cluster,
            "verdict": verdict,
            "rows": f"{rows:,}",
        },
        "next": [],
    }


def _read(place: str) -> dict[str, Any]:
    try:
        with click.open_file(place, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise InputRefused(f'The event "{place}" cannot be read.', hint="Name a file with JSON, or -.") from error
    if not isinstance(found, dict):
        raise InputRefused(f'The event "{place}" is no JSON object.', hint="Hand in the event as it came.")
    return found
