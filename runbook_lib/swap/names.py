"""How the schemas are called that a copy back makes on the damaged server."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

LONGEST = 64  # identifiers, MySQL manual, "Identifier Length Limits"
STATE_PREFIX = "runbook_copyback_"
_STAGING = re.compile(r".*_copyback_[0-9a-f]{8}")
_AFTER = re.compile(r".*_(damaged|undone)_\d{8}t\d{6}z")


def staging_schema(schema: str, key: str) -> str:
    """Return the schema beside a damaged one, in which it stays while its tables are copied."""
    return _fitted(schema, f"_copyback_{key}")


def state_schema(key: str) -> str:
    """Return the schema that keeps how far the copy back has come, and what undoes it."""
    return f"{STATE_PREFIX}{key}"


def dated_schema(schema: str, at: datetime) -> str:
    """Return the dated schema in which the damaged tables stay."""
    return _fitted(schema, f"_damaged_{at:%Y%m%dt%H%M%Sz}")


def undone_schema(schema: str, at: datetime) -> str:
    """Return the dated schema in which the tables brought back stay after an undo."""
    return _fitted(schema, f"_undone_{at:%Y%m%dt%H%M%Sz}")


def is_ours(schema: str) -> bool:
    """Tell whether a schema was made by a copy back, and so is no part of what is copied."""
    return bool(_STAGING.fullmatch(schema) or _AFTER.fullmatch(schema)) or schema.startswith(STATE_PREFIX)


def _fitted(schema: str, ending: str) -> str:
    """Put an ending behind a name. A name that must be cut for it keeps a hash, so that no two become one."""
    if len(schema) + len(ending) <= LONGEST:
        return schema + ending
    told_apart = f"_{hashlib.sha256(schema.encode()).hexdigest()[:6]}{ending}"
    return schema[: LONGEST - len(told_apart)] + told_apart
