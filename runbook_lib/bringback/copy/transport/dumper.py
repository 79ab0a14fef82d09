"""What mydumper and myloader of this machine can carry: a fact of the machine, and the rule about it."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from runbook_lib.bringback.copy.transport.lines import is_known
from runbook_lib.swap.facts import ServerFacts, TableFacts

log = logging.getLogger(__name__)

# The release line whose options and file names are used here, tried with MariaDB 10.11 and MySQL 9.7.
TRIED = "0.10."
# An INSERT of text takes about the room of the rows; the files of one table at a time are on this machine.
_ROOM = 1.3
# mydumper takes MySQL's "DEFAULT_GENERATED" of a computed default for a generated column, and leaves that out; where it
# knows of no generated column it selects "*", which has no hidden ones.
_HIDDEN = re.compile(r"\bINVISIBLE\b")
_LEFT_OUT = re.compile(r"\bINVISIBLE\b|\bDEFAULT (?:CURRENT_TIMESTAMP|(?=\())")


@dataclass(frozen=True, kw_only=True)
class Dumper:
    """Both tools' version, empty where one of them is missing, and the free bytes where their files go."""

    version: str = ""
    free: int = 0


def find_dumper() -> Dumper:
    """Look for mydumper and myloader on this machine. Changes nothing."""
    versions = {_version(tool) for tool in ("mydumper", "myloader")}
    if len(versions) != 1 or "" in versions:
        return Dumper()
    return Dumper(version=versions.pop(), free=shutil.disk_usage(tempfile.gettempdir()).free)


def _version(tool: str) -> str:
    if not (path := shutil.which(tool)):
        return ""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=20)  # noqa: S603 # found on the path, asked for its version
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s does not tell its version: %s", path, error)
        return ""
    found = re.search(r"\b(\d+\.\d+\.\d+)", said.stdout)
    return found[1] if found and said.returncode == 0 else ""


def why_not_dumper(table: TableFacts, damaged: ServerFacts, dumper: Dumper) -> str:
    """Say why a table cannot go by mydumper and myloader; empty where it can. Pure.

    Their files hold what the server shows of a row as text, so what that text rounds does not arrive. A double −0
    and a date that no calendar has do not arrive either; the proof before the swap finds those and stops.
    """
    if not dumper.version:
        return "mydumper and myloader of one version are not installed on this machine"
    if not dumper.version.startswith(TRIED):
        return f"mydumper is {dumper.version} on this machine, and only {TRIED}x has been tried"
    if rounded := [column.name for column in table.columns if column.kind == "float"]:
        return f"mydumper writes FLOAT rounded ({', '.join(rounded)})"
    if not damaged.is_mariadb and (kept := [column.name for column in table.columns if column.kind == "json"]):
        return f"MySQL takes no JSON from mydumper's files ({', '.join(kept)})"
    if strange := [column.name for column in table.columns if not is_known(column)]:
        return f"mydumper may lose the type of {', '.join(strange)}"
    if (_HIDDEN if damaged.is_mariadb else _LEFT_OUT).search(table.create):
        return "mydumper leaves out columns that are hidden or have a computed default"
    if not re.fullmatch(r"[A-Za-z0-9_$]+", table.name.schema + table.name.name):
        return "its name has letters that mydumper's file names do not keep apart"
    if table.bytes * _ROOM > dumper.free:
        return f"its files need about {table.bytes * _ROOM / (1 << 30):,.1f} GiB of this machine's disk"
    return ""
