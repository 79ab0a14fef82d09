"""What an account holds, read from the lines of SHOW GRANTS. Pure functions of their text.

A line that is not understood is kept as such: whoever judges the account then says *unknown*, never *harmless*.
Sources: MySQL manual, "GRANT Statement", "Specifying Account Names", "Privilege Restriction Using Partial Revokes" and
"Access Control, Stage 2"; MariaDB's "GRANT" and "Roles Overview".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runbook_lib.swap.reach import certainty, fits

_QUOTED = r"(?:`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_PART = rf"(?:{_QUOTED}|[\w$%-]+)"
_ACCOUNT = re.compile(rf"{_PART}(?:@{_PART})?")
_RIGHTS = re.compile(
    rf"(?P<act>GRANT|REVOKE) (?P<what>.+?) ON (?:(?P<kind>PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE|TABLE) )?"
    rf"(?P<schema>\*|{_QUOTED})\.(?P<object>\*|{_QUOTED}) (?:TO|FROM) (?P<rest>.+)",
    re.S,
)
_ROLES = re.compile(rf"GRANT (?P<roles>{_PART}(?:@{_PART})?(?:, ?{_PART}(?:@{_PART})?)*) TO .+", re.S)
_NO_MATTER = re.compile(r"(?:SET DEFAULT ROLE|GRANT USAGE ON \*\.\* TO) ", re.S)
_PROXY = re.compile(rf"GRANT PROXY ON (?P<account>{_PART}@{_PART}) TO .+", re.S)
_ITEM = re.compile(r"([A-Z][A-Z0-9_ ]*[A-Z0-9])(?: ?\(([^)]*)\))?")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Rights on everything (`schema` ""), on a schema or pattern (`object` ""), on a table, or on a routine (`kind`).

    `revoked` says that the rights are taken away there (a partial revoke). `through` is the role that brings them.
    `columns` says that every right is on single columns only.
    """

    rights: frozenset[str]
    schema: str = ""
    object: str = ""
    kind: str = ""
    revoked: bool = False
    through: str = ""
    grantable: bool = False


@dataclass(frozen=True, kw_only=True)
class Held:
    """What lines of SHOW GRANTS say: rights, roles, accounts that may be taken, lines not understood."""

    grants: tuple[Grant, ...] = ()
    roles: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    not_understood: tuple[str, ...] = ()


def read_grants(lines: Iterable[str], *, through: str = "") -> Held:
    """Take the lines of SHOW GRANTS apart; `through` is the role they are of, "" for the account itself."""
    grants: list[Grant] = []
    roles: list[str] = []
    proxies: list[str] = []
    strange: list[str] = []
    for line in lines:
        if _NO_MATTER.match(line) and " WITH " not in line:
            continue
        if found := _PROXY.fullmatch(line):
            proxies.append(found["account"])
        elif (found := _RIGHTS.fullmatch(line)) and (rights := _rights(found["what"])) is not None:
            held = rights | ({"GRANT OPTION"} if "WITH GRANT OPTION" in found["rest"] else set())
            grants.append(
                Grant(
                    rights=frozenset(held),
                    schema=_bare(found["schema"]),
                    object=_bare(found["object"]),
                    kind=(found["kind"] or "").replace("TABLE", ""),
                    revoked=found["act"] == "REVOKE",
                    through=through,
                )
            )
        elif found := _ROLES.fullmatch(line):
            roles += _ACCOUNT.findall(found["roles"])
        else:
            strange.append(line)
    return Held(grants=tuple(grants), roles=tuple(roles), proxies=tuple(proxies), not_understood=tuple(strange))


def _rights(text: str) -> set[str] | None:
    found: set[str] = set()
    rest = text
    while rest:
        item = _ITEM.match(rest)
        if item is None:
            return None
        found.add(item[1])
        rest = rest[item.end() :]
        if rest and not rest.startswith(","):
            return None
        rest = rest[1:].lstrip()
    return found


def _bare(part: str) -> str:
    if part == "*":
        return ""
    return part[1:-1].replace(part[0] * 2, part[0])


def rights_on(grants: Sequence[Grant], schema: str, table: str = "", *, literal: bool = False) -> dict[str, Grant]:
    """Return each right that holds on a schema, or on one of its tables, with the grant that gives it.

    Rights on everything count where no partial revoke takes them; of rows for schemas only the closest counts, of each
    holder for itself. `literal`: partial revokes are on, so no name is a pattern. The sources are the module's.
    """
    found: dict[str, Grant] = {}
    lost: set[tuple[str, str]] = {
        (grant.through, right) for grant in grants if grant.revoked and grant.schema == schema for right in grant.rights
    }
    for holder in dict.fromkeys(grant.through for grant in grants):
        own = [grant for grant in grants if grant.through == holder and not grant.revoked and not grant.kind]
        everywhere = [grant for grant in own if not grant.schema]
        rows = [
            grant for grant in own if grant.schema and not grant.object and fits(grant.schema, schema, literal=literal)
        ]
        closest = max((certainty(grant.schema) for grant in rows), default=0)
        single = [grant for grant in own if grant.object and grant.schema == schema and grant.object == table]
        for grant in [*everywhere, *(row for row in rows if certainty(row.schema) == closest), *single]:
            for right in grant.rights:
                if (holder, right) not in lost or grant.schema:
                    found.setdefault(right, grant)
    return found
