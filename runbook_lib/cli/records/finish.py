"""`runbook records finish`: the record of a notebook that was stepped through in JupyterLab."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import InputRefused, NotFound, StepFailed, TryLater
from runbook_lib.records.outcomes import INTERACTIVE, Outcome
from runbook_lib.records.register import Entry, entries, events_of
from runbook_lib.records.store import Store

_ASK = "__import__('runbook_lib.records.interactive', fromlist=['finish']).finish_from_outside()"
_PATIENCE_SECONDS = 60


@click.command(short_help="Finish the record of a notebook stepped through in JupyterLab.")
@click.argument("run", default="")
@records_option
def command(*, run: str, store: Store) -> None:
    """Have the notebook's kernel save and record what was run. RUN is its id, where several notebooks are open."""
    kernel = _kernel_of(_stepped_through(store, run))
    click.echo(_ask(kernel))


def _stepped_through(store: Store, run: str) -> Entry:
    found = [entry for entry in entries(store) if entry.outcome is Outcome.RUNNING and entry.run_id.startswith(run)]
    found = [entry for entry in found if _begun(entry).get("mode") == INTERACTIVE]
    if not found:
        raise NotFound(
            f"No notebook that is stepped through has an unfinished record in {store.root}.",
            hint="It begins with the first cell that runs in a JupyterLab opened by `runbook lab`.",
        )
    if len(found) > 1:
        names = ", ".join(f"{entry.run_id} ({entry.notebook})" for entry in found)
        raise InputRefused(f"{len(found)} notebooks are being stepped through.", hint=f"Name one: {names}.")
    return found[0]


def _begun(entry: Entry) -> dict[str, Any]:
    return next((dict(event.get("facts", {})) for event in events_of(entry) if event["event"] == "run-started"), {})


def _kernel_of(entry: Entry) -> Path:
    path = Path(str(_begun(entry).get("kernel", "")))
    if not path.is_file():
        raise NotFound(f"The kernel of run {entry.run_id} cannot be reached.", hint="Ask on the machine it runs on.")
    return path


def _ask(connection_file: Path) -> str:
    from jupyter_client.blocking.client import BlockingKernelClient

    client: Any = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    try:
        asked = client.execute("", silent=True, store_history=False, user_expressions={"said": _ASK})
        while True:
            reply = client.get_shell_msg(timeout=_PATIENCE_SECONDS)
            if reply["parent_header"].get("msg_id") == asked:
                break
    except Exception as error:
        if type(error).__name__ != "Empty":
            raise
        raise TryLater("The kernel is busy with a cell.", hint="Finish when the cell has ended.") from error
    finally:
        client.stop_channels()
    said = reply["content"].get("user_expressions", {}).get("said", {})
    if said.get("status") != "ok":
        raise StepFailed(str(said.get("evalue") or "The kernel did not answer."), hint="Save the notebook, then again.")
    return str(ast.literal_eval(said["data"]["text/plain"]))
