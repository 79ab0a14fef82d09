"""What a statement can do, and a statement understood, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runbook_lib.schemas.dump.settings import Assignment
from runbook_lib.schemas.dump.tokens import Name, Token


class Act(StrEnum):
    """What a statement does, as far as loading a dump is concerned."""

    CREATE_SCHEMA = "creates a schema"
    DROP_SCHEMA = "drops a schema"
    ALTER_SCHEMA = "alters a schema"
    USE = "changes the schema"
    CREATE_TABLE = "creates a table"
    CREATE_VIEW = "creates a view"
    CREATE_ROUTINE = "creates a routine"
    CREATE_TRIGGER = "creates a trigger"
    CREATE_EVENT = "creates an event"
    DROP = "drops"
    INSERT = "inserts rows"
    EMPTY = "empties a table"
    LOCK = "locks tables, or switches their keys off"
    TABLE_UPKEEP = "alters or analyses a table"
    CHANGE = "changes rows or names"
    SETTING = "sets a session variable"
    GLOBAL = "sets something of the whole server"
    BINARY_LOG = "hides the load from the binary log, or rewrites its position"
    ACCOUNT = "changes accounts or rights"
    REPLICATION = "steers replication"
    TRANSACTION = "begins or ends a transaction"
    CLIENT = "is a command of the client, not SQL"
    NOTHING = "does nothing"
    UNKNOWN = "is not understood"


CREATES = frozenset({Act.CREATE_TABLE, Act.CREATE_VIEW, Act.CREATE_ROUTINE, Act.CREATE_TRIGGER, Act.CREATE_EVENT})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A place in a statement that names a schema: `schema`.`table`, with the column behind it if there is one."""

    schema: str
    start: int
    parts: tuple[Token, ...]
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A statement understood: what it does, to which objects (`kind`: TABLE, VIEW, TRIGGER …), as whom.

    `references` are the schemas named in what it makes. `of_tools`: dump tools write it around what they bring, and
    nothing of that is lost without it. `why` says what is not understood. `certain`: every server reads it so.
    """

    act: Act
    names: tuple[Name, ...] = ()
    kind: str = ""
    definer: tuple[Token, ...] = ()
    found: tuple[Token, ...] = ()
    references: tuple[Reference, ...] = ()
    settings: tuple[Assignment, ...] = ()
    of_tools: bool = False
    replaces: bool = False
    why: str = ""
    certain: bool = True

    @property
    def account(self) -> str:
        """Return the account that the object is to run as, empty if the statement names none."""
        return "".join(token.value.strip("'\"") for token in self.definer[2:])
