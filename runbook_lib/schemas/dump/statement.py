"""What a statement of a dump would do, read from its words. What is not known to the last word is not understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from runbook_lib.schemas.dump.acts import Act, Reading
from runbook_lib.schemas.dump.forms import understood
from runbook_lib.schemas.dump.guard import is_guard
from runbook_lib.schemas.dump.syntax import Syntax
from runbook_lib.schemas.dump.tokens import Token, tokens

_GATE = re.compile(r"/\*(M?)!(\d*)")
_EVERYWHERE = 50700  # what a comment of an older version holds is carried out by every server that we speak of


def read(statement: bytes, syntax: Syntax) -> Reading:
    """Understand a statement from its words.

    A conditional comment is carried out by some servers and left by others: the statement must be the same thing, or
    nothing, to each of them.
    """
    if is_guard(statement):
        return Reading(act=Act.SETTING)
    found = tokens(statement, syntax)
    if why := _unreadable(found, statement):
        words = tuple(token for token in found if token.kind not in ("open", "close", "comment"))
        client = why.startswith("a command")
        return Reading(act=Act.CLIENT if client else Act.UNKNOWN, found=words, why="" if client else why)
    readings = [understood(view) for view in _views(found)]
    first = readings[0]
    others = [reading for reading in readings[1:] if reading.act is not Act.NOTHING]
    if not others and len(readings) == 1:
        return first
    starts = {reference.start for reference in first.references}
    for other in others:
        same = (other.act, other.kind, other.names) == (first.act, first.kind, first.names)
        if not same or {reference.start for reference in other.references} - starts:
            return replace(first, act=Act.UNKNOWN, why="it is another statement to other versions of the server")
    return replace(first, certain=False)


def _unreadable(found: list[Token], statement: bytes) -> str:
    """Say why the client or a server may take the statement's words for others than they are read as here."""
    gate = ""
    for place, token in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        if token.kind == "open":
            if gate:
                return "one conditional comment is inside another"
            gate = token.value
        elif token.kind == "close":
            if not gate:
                return "a comment is closed that was not opened"
            gate = ""
        elif token.kind == "comment":
            if token.value.startswith("/*+") or (gate.startswith("/*M") and token.value.startswith("/*")):
                return "it holds a comment that clients read differently"
        elif token.kind == "control":
            return "it holds a control character"
        elif token.kind in ("string", "name"):
            if gate and "*/" in token.value:
                return "the end of a comment is inside quotes"
        elif token.kind == "sign":
            if token.value in ("'", '"', "`"):
                return "a quote in it is not closed"
            if token.value == "\\" and not (after and after.value == "N" and after.start == token.end):
                return "a command of the client is in it"
        elif token.kind == "word":
            if token.value.startswith("$") and token.value.endswith("$"):
                return "a text in it is quoted with dollar signs"
            # the client takes this word for its own command wherever it meets it
            if token.value.lower().endswith("delimiter") and statement[token.end : token.end + 1] in (b" ", b"\t"):
                return "a command of the client is in it"
    return "a conditional comment is not closed" if gate else ""


def _views(found: list[Token]) -> Iterator[list[Token]]:
    """Return the statement as servers see it: with everything, then without what only some of them carry out."""
    gates: list[tuple[bool, int]] = []
    gate, marked = (False, 0), []
    for token in found:
        if token.kind == "open":
            match = _GATE.match(token.value)
            assert match is not None
            gate = (bool(match[1]), int(match[2] or 0))
            gates.append(gate)
        elif token.kind == "close":
            gate = (False, 0)
        elif token.kind != "comment":
            marked.append((gate, token))
    yield [token for _, token in marked]
    if not any(maria or version >= _EVERYWHERE for maria, version in gates):
        return
    yield [token for (maria, version), token in marked if not maria and version < _EVERYWHERE]
    yield [token for (maria, _), token in marked if not maria]
    yield [token for (maria, version), token in marked if maria or version < _EVERYWHERE]
