"""The way between a widget and the notebook it stands in: is anybody there, and how a choice gets into its parameters.

Nothing but the kernel that `runbook lab` prepared has a reader: its extension writes its own process id into
$RUNBOOK_LAB_KERNEL. A papermill run started from there inherits the variable, but has another process id.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runbook_lib.events import announce

KERNEL_VARIABLE = "RUNBOOK_LAB_KERNEL"
FOLDER_VARIABLE = "RUNBOOK_LAB_FOLDER"  # the served folder, that JupyterLab's own paths begin at
NOTEBOOK_VARIABLE = "JPY_SESSION_NAME"  # set by the Jupyter server: the notebook a kernel was started for
CHOSEN = "chosen"  # the event that the record reads choices from
_CARRIED = ("region", "profile", "timezone", "secret")
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


def literals(source: str) -> Iterator[tuple[str, Any]]:
    """Return what a parameters cell sets; a line that is computed, which a person may write there, is left out."""
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and value is not None:
            try:
                yield targets[0].id, ast.literal_eval(value)
            except ValueError:
                continue


class _Page:
    """What this kernel knows of its page: the cell that runs, whom a choice concerns, and the way to the page."""

    cell = ""
    watchers: list[Callable[[], object]] = []  # noqa: RUF012 # one page, one kernel
    outlet: Any = None
    waiting: dict[str, Callable[[str], object]] = {}  # noqa: RUF012


def enter(cell: str) -> None:
    """Note which cell runs now; what it shows belongs to it."""
    _Page.cell = cell


def cell_now() -> str:
    """Return the id of the cell that runs now, or nothing."""
    return _Page.cell


def watch_choices(look_again: Callable[[], object]) -> None:
    """Have something called whenever a choice is made: what was offered before may be about other choices then."""
    _Page.watchers.append(look_again)


def choose(values: Mapping[str, Any], *, cell: str, again: bool = False, stay: bool = False) -> None:
    """Make values those of this notebook's parameters: in its kernel, in its parameters cell and in its record.

    `cell` is the one that offered them; the cursor goes to the next one, unless it is to `stay`. With `again` the
    notebook runs again from its parameters to the cell after that one, because cells above were about other values;
    there a person decides.
    """
    from IPython import get_ipython

    for name, value in values.items():
        announce(CHOSEN, parameter=name, value=value, again=again, cell=cell)
    get_ipython().user_ns.update(values)
    for look_again in _Page.watchers:
        look_again()
    _tell({"path": own_path(), "set": _literals(values), "after": "" if stay else cell, "run": again})


def ask_page(answer: Callable[[str], object]) -> None:
    """Ask the page what its parameters cell says; `answer` is called with that source, empty without a page to ask."""
    once = secrets.token_hex(8)
    _Page.waiting[once] = answer
    if not _tell({"path": own_path(), "ask": once}):
        page_says(once, "")


def page_says(once: str, source: str) -> None:
    """Hand in what the page answered to `ask_page`; an answer counts once."""
    if answer := _Page.waiting.pop(once, None):
        answer(source)


def hand_on(notebook: str, values: Mapping[str, Any], *, cell: str) -> None:
    """Open another notebook with these values in its parameters cell. Nothing of it is run.

    The cells of this one below `cell` are run first, and its record is written: they only read. Where and as whom this
    one was run goes along, as far as it was typed and the other one has a parameter for it.
    """
    from IPython import get_ipython

    names = get_ipython().user_ns
    values = {name: names[name] for name in _CARRIED if names.get(name)} | dict(values)
    announce("handed-on", notebook=notebook, parameters=values)
    _tell(
        {"path": path_of(notebook), "open": True, "set": _literals(values), "leave": own_path(), "rest": cell},
    )


def return_to(cell: str) -> None:
    """Put the cursor back on a cell whose button has just been closed, so that the keys go on working."""
    _tell({"path": own_path(), "at": cell})


def save() -> bool:
    """Ask JupyterLab to save this notebook; tell whether there was a page to ask."""
    return _tell({"path": own_path(), "save": True})


def _literals(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: literal(value) for name, value in values.items()}


def outlet() -> Any:
    """Return an invisible widget through which this page can be asked for something."""
    import ipywidgets

    _Page.outlet = ipywidgets.Output(layout=ipywidgets.Layout(height="0px", margin="0", overflow="hidden"))
    return _Page.outlet


def _tell(instruction: Mapping[str, Any]) -> bool:
    """Have the page do something, once: a page that is loaded anew must not do it again."""
    if _Page.outlet is None or not instruction["path"]:
        return False
    once = {**instruction, "once": secrets.token_hex(8)}
    code = f"({_SCRIPT.read_text(encoding='utf-8').strip()})({json.dumps(once)})"
    _Page.outlet.outputs = (
        {"output_type": "display_data", "data": {"application/javascript": code, "text/plain": ""}, "metadata": {}},
    )
    return True
