"""`runbook records finish`: the record of a notebook that was stepped through in JupyterLab."""

from __future__ import annotations

import ast
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import click

from runbook_lib.cli._options import records_option
from runbook_lib.errors import InputRefused, NotFound, RunbookError, StepFailed, TryLater
from runbook_lib.records.outcomes import INTERACTIVE, Outcome
from runbook_lib.records.register import Entry, entries, events_of
from runbook_lib.records.store import Store

_ASK = "__import__('runbook_lib.records.interactive', fromlist=['finish']).finish_from_outside(until={until!r})"
_PATIENCE_SECONDS = 60
_KNOCK_SECONDS = 5


@click.command(short_help="Finish the record of a notebook stepped through in JupyterLab.")
@click.argument("run", default="")
@records_option
def command(*, run: str, store: Store) -> None:
    """Have the notebook's kernel save and record what was run. RUN is its id, where several notebooks are open."""
    entry = _stepped_through(store, run)
    click.echo(_ask(_kernel_of(entry), entry))


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


def _ask(connection_file: Path, entry: Entry) -> str:
    client, until = _client(connection_file), time.time() + _PATIENCE_SECONDS
    client.start_channels()
    try:
        asking = {"said": _ASK.format(until=until)}  # a kernel that comes to it later leaves it: nobody waits any more
        asked = client.execute("", silent=True, store_history=False, user_expressions=asking)
        reply = _reply(client, asked, connection_file, until)
    finally:
        client.stop_channels()
    if reply is None:
        raise _no_reply(entry)
    said = reply["content"].get("user_expressions", {}).get("said", {})
    if said.get("status") != "ok":
        raise StepFailed(str(said.get("evalue") or "The kernel did not answer."), hint="Save the notebook, then again.")
    return str(ast.literal_eval(said["data"]["text/plain"]))


def _client(connection_file: Path) -> Any:
    from jupyter_client.blocking.client import BlockingKernelClient

    client: Any = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    return client


def _reply(client: Any, asked: str, connection_file: Path, until: float) -> dict[str, Any] | None:
    """Wait for the reply to what was asked, None where it does not come.

    A kernel may leave a request lying until the next client connects (ipykernel issue 1554): it is knocked at.
    """
    while (left := until - time.time()) > 0:
        try:
            reply: dict[str, Any] = client.get_shell_msg(timeout=min(left, _KNOCK_SECONDS))
        except Empty:
            _knock(connection_file)
        else:
            if reply["parent_header"].get("msg_id") == asked:
                return reply
    return None


def _knock(connection_file: Path) -> None:
    """Connect once more, and ask what changes nothing."""
    client = _client(connection_file)
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    try:
        client.kernel_info()
        with suppress(Empty):
            client.get_shell_msg(timeout=1)
    finally:
        client.stop_channels()


def _no_reply(entry: Entry) -> RunbookError:
    """Say what its record knows of a kernel that does not answer: a cell runs in it, or none does."""
    moves = [event for event in events_of(entry) if event["event"] in ("cell-started", "cell-ended")]
    if moves and moves[-1]["event"] == "cell-started":
        number = dict(moves[-1].get("facts", {})).get("cell") or "that was added"
        return TryLater(f"The kernel is busy with cell {number}.", hint="Finish when the cell has ended.")
    return StepFailed(
        f"The kernel did not answer for {_PATIENCE_SECONDS} seconds, though no cell runs in it.",
        hint="Finish again; or restart the kernel in JupyterLab: its record is written as it ends.",
    )
