"""The way between a widget and the notebook it stands in: is anybody there, and how a choice gets into its parameters.

Nothing but the kernel that `runbook lab` prepared has a reader: its extension writes its own process id into
$RUNBOOK_LAB_KERNEL. A papermill run started from there inherits the variable, but has another process id.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib.events import announce

KERNEL_VARIABLE = "RUNBOOK_LAB_KERNEL"
FOLDER_VARIABLE = "RUNBOOK_LAB_FOLDER"  # the served folder, that JupyterLab's own paths begin at
NOTEBOOK_VARIABLE = "JPY_SESSION_NAME"  # set by the Jupyter server: the notebook a kernel was started for
CHOSEN = "chosen"  # the event that the record reads choices from
_SCRIPT = Path(__file__).with_name("notebook.js")


def reader_is_there() -> bool:
    """Tell whether somebody steps through this notebook in JupyterLab."""
    return os.environ.get(KERNEL_VARIABLE) == str(os.getpid()) and bool(os.environ.get(NOTEBOOK_VARIABLE))


def own_path() -> str:
    """Return this notebook's path as JupyterLab knows it, or nothing."""
    try:
        return Path(os.environ[NOTEBOOK_VARIABLE]).relative_to(os.environ[FOLDER_VARIABLE]).as_posix()
    except (KeyError, ValueError):
        return ""


def path_of(notebook: str) -> str:
    """Return the path of another notebook of the same folder, by its name without ending."""
    own = own_path()
    return str(Path(own).with_name(f"{notebook}.ipynb").as_posix()) if own else ""


def literal(value: Any) -> str:
    """Write a parameter's value as its cell would hold it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def assignments(values: Mapping[str, Any]) -> str:
    """Write parameters one a line, as a person would type them."""
    return "\n".join(f"{name} = {literal(value)}" for name, value in values.items())


def choose(values: Mapping[str, Any], *, again: bool) -> None:
    """Make values those of this notebook's parameters: here, in its parameters cell and in its record.

    With `again` the notebook runs anew from that cell, because cells above were about other values.
    """
    from IPython import get_ipython

    for name, value in values.items():
        announce(CHOSEN, parameter=name, value=value, again=again)
    get_ipython().user_ns.update(values)
    _tell({"path": own_path(), "set": _literals(values), "run": again})


def hand_on(notebook: str, values: Mapping[str, Any]) -> None:
    """Open another notebook with these values in its parameters cell. Nothing of it is run."""
    announce("handed-on", notebook=notebook, parameters=dict(values))
    _tell({"path": path_of(notebook), "open": True, "set": _literals(values)})


def save() -> bool:
    """Ask JupyterLab to save this notebook; tell whether there was a page to ask."""
    return _tell({"path": own_path(), "save": True})


def _literals(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: literal(value) for name, value in values.items()}


class _Outlet:
    """The newest place through which a script reaches the page; each set of widgets brings one."""

    newest: Any = None


def outlet() -> Any:
    """Return an invisible widget through which this page can be asked for something."""
    import ipywidgets

    _Outlet.newest = ipywidgets.Output(layout=ipywidgets.Layout(height="0px", margin="0", overflow="hidden"))
    return _Outlet.newest


def _tell(instruction: Mapping[str, Any]) -> bool:
    """Have the page do something, once: a page that is loaded anew must not do it again."""
    if _Outlet.newest is None or not instruction["path"]:
        return False
    once = {**instruction, "once": secrets.token_hex(8)}
    code = f"({_SCRIPT.read_text(encoding='utf-8').strip()})({json.dumps(once)})"
    _Outlet.newest.outputs = (
        {"output_type": "display_data", "data": {"application/javascript": code, "text/plain": ""}, "metadata": {}},
    )
    return True
