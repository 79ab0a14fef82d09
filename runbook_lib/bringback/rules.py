"""The rules for rows written since, in one line as a person writes it: "keep new; staging.apartments: replace"."""

from __future__ import annotations

from runbook_lib.bringback.copy import CopyChoices
from runbook_lib.errors import InputRefused

_BY = " by "
_CONFLICTS, _DEFINITIONS, _THROUGH = "conflicts", "definitions", "through:"


def read_rules(text: str, *, tables: tuple[str, ...] = ()) -> CopyChoices:
    """Read the rules, separated by semicolons: one for all tables, and "table: rule" for those that differ.

    A rule is "replace", "keep new" or "newer wins by COLUMN". "conflicts: copy" or "conflicts: source" says which row
    is taken where no rule decides; without it such rows are listed, and nothing is swapped. "definitions: copy" puts
    views, routines and events back that are made otherwise at the source now.

    "through: mydumper" (load, insert, s3) has every table travel so, and "through: s3-region://bucket/prefix" names the
    bucket that the way through S3 may use.

    Raises:
        InputRefused: a rule that is none, or two for everything.
    """
    general: list[str] = []
    rules: dict[str, str] = {}
    newer_by: dict[str, str] = {}
    conflicts, definitions, through = "", "source", ""
    for part in (piece.strip() for piece in text.split(";") if piece.strip()):
        if part.lower().startswith(_THROUGH):
            through = part[len(_THROUGH) :].strip()
            continue
        name, colon, rule = (piece.strip() for piece in part.rpartition(":"))
        if colon and name.lower() == _CONFLICTS:
            conflicts = rule
            continue
        if colon and name.lower() == _DEFINITIONS:
            definitions = rule
            continue
        rule, _, column = (piece.strip() for piece in rule.partition(_BY))
        if column:
            newer_by[name or "*"] = column
        if name:
            rules[name] = rule
        else:
            general.append(rule)
    if len(general) > 1:
        raise InputRefused(
            f'"{text}" has two rules for all tables: {" and ".join(general)}.',
            hint='Write one rule for all, and "table: rule" for others: "keep new; staging.apartments: replace".',
        )
    return CopyChoices(
        tables=tables,
        rows=general[0] if general else "replace",
        rules=rules,
        newer_by=newer_by,
        conflicts=conflicts,
        definitions=definitions,
        bucket=through if "://" in through else "",
        through="" if "://" in through else through,
    )
