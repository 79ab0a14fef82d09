"""What the account may see, and what therefore stays hidden: a hidden thing must never be called missing or empty."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database
from runbook_lib.schemas.facts import Unseen

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?:TABLE )?(?P<where>(?:`(?:[^`]|``)*`|\*)\.(?:`(?:[^`]|``)*`|\*))", re.S)
_NEEDED = {
    "SELECT": "rows and tables of schemas that are not granted one by one",
    "SHOW VIEW": "what views are made of",
    "TRIGGER": "triggers",
    "EVENT": "events",
}


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The global privileges of the account, its roles included. `account` is `user@host`."""

    account: str
    everywhere: frozenset[str]
    readable: bool  # the account's own grants could be read

    def has(self, privilege: str) -> bool:
        """Tell whether it holds a privilege on everything."""
        return privilege in self.everywhere or any(p.startswith("ALL PRIVILEGES") for p in self.everywhere)

    def unseen(self, *, mariadb: bool) -> tuple[Unseen, ...]:
        """Say what the account cannot be sure to see."""
        found = [Unseen(what=what, right=f"{right} on *.*") for right, what in _NEEDED.items() if not self.has(right)]
        # MySQL 8.0.20 and later show routines of others with SHOW_ROUTINE or the global SELECT; MariaDB with SELECT on
        # mysql.proc, which the global SELECT includes (manuals: "The INFORMATION_SCHEMA ROUTINES Table").
        if not (self.has("SELECT") or self.has("SHOW_ROUTINE") or self.has("SHOW CREATE ROUTINE")):
            right = "SELECT on mysql.proc" if mariadb else "SHOW_ROUTINE on *.*"
            found.append(Unseen(what="routines of others", right=right))
        return tuple(found)


def rights_of(database: Database) -> Rights:
    """Read the account's own grants, those of its active roles included."""
    account = str(database.value("SELECT CURRENT_USER()"))
    roles = str(database.value("SELECT CURRENT_ROLE()") or "NONE")
    lines = [str(row[0]) for row in database.rows("SHOW GRANTS")]
    if roles.upper() not in ("NONE", "") and not database.is_mariadb:
        try:
            lines += [str(row[0]) for row in database.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")]
        except RunbookError:
            return Rights(account=account, everywhere=frozenset(), readable=False)
    everywhere: set[str] = set()
    for line in lines:
        if (found := _GRANT.match(line)) and found["where"] == "*.*":
            everywhere |= {part.strip().upper() for part in found["what"].split(",")}
    return Rights(account=account, everywhere=frozenset(everywhere), readable=True)
