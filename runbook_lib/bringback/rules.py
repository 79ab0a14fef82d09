"""What a person chose about a bring-back, as the notebook's parameters say it, and the rules for rows written since."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from runbook_lib.bringback.copy import CopyBackPlan, CopyChoices, TablePlan
from runbook_lib.errors import InputRefused

WAYS = ("compare", "copy", "cutover", "undo copy", "undo cutover")
_BY = " by "
_WORDS = ("conflicts", "definitions", "through")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The choices. Each field is a parameter of `bring_back_data`; all are read when this is made.

    `way` "compare" plans nothing. `cluster` is the damaged one as the person wrote it. `tables` are names of tables or
    schemas, separated by commas; empty takes what the proof calls damaged. `rows` is the rule for rows written since:
    "replace", "keep new" or "newer wins by COLUMN"; `rules` holds those of single tables, "staging.apartments: keep
    new; staging.rooms: replace". `conflicts` says whose row is taken where both have one and no rule decides,
    `definitions` whose views, routines and events. `through` is how rows travel: load, insert, mydumper, s3, or a
    bucket as s3-region://bucket/prefix. `secret` and `personal` are as in `prove_pairing`. The one line that said all
    of it, "keep new; conflicts: source", is still read in `rows`.

    Raises:
        InputRefused: a choice that is none of those there are, or two that exclude each other.
    """

    way: str = "compare"
    cluster: str = ""
    tables: str = ""
    rows: str = "replace"
    rules: str = ""
    conflicts: str = ""
    definitions: str = "source"
    through: str = ""
    secret: str = ""
    personal: str = "*"

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise InputRefused(
                f'There is no way "{self.way}".', hint=f"Set `way` to one of: {', '.join(map(_quoted, WAYS))}."
            )
        _ = self.choices

    @property
    def undo(self) -> bool:
        """Tell whether an earlier bring-back is to be taken back."""
        return self.way.startswith("undo ")

    @property
    def choices(self) -> CopyChoices:
        """Return what a copy back is to do."""
        found = _Rules()
        found.read(self.rows, may_be_for_all=True)
        found.read(self.rules, may_be_for_all=False)
        found.settle("conflicts", self.conflicts)
        found.settle("definitions", self.definitions, default="source")
        found.settle("through", self.through)
        through = found.words.get("through", "")
        return CopyChoices(
            tables=tuple(part for piece in self.tables.split(",") if (part := piece.strip())),
            rows=found.general or "replace",
            rules=found.rules,
            newer_by=found.newer_by,
            conflicts=found.words.get("conflicts", ""),
            definitions=found.words.get("definitions", "source"),
            bucket=through if "://" in through else "",
            through="" if "://" in through else through,
        )


def chosen_otherwise(plan: CopyBackPlan, wanted: Wanted) -> str:
    """Return the parameters that an earlier plan was made from, as they are typed; empty if `wanted` are the same."""
    choices = wanted.choices
    brought = [table for table in plan.tables if table.rows_from == "restored"]
    names = {name for table in brought for name in (str(table.name), table.name.sql, table.name.schema)}
    chosen = [
        table
        for table in brought
        if {str(table.name), table.name.sql, table.name.schema} & {*choices.tables} or not choices.tables
    ]
    same = (
        all((table.rule, table.newer_by) == _rule_of(choices, table) for table in brought)
        and (plan.conflicts, plan.definitions) == (choices.conflicts, choices.definitions)
        and names.issuperset(choices.tables)
        and len(chosen) == len(brought)
    )
    if same:
        return ""
    said = {
        "tables": ", ".join(str(table.name) for table in brought),
        "rules": "; ".join(f"{table.name}: {_written(table.rule, table.newer_by)}" for table in brought),
        "conflicts": plan.conflicts,
        "definitions": plan.definitions,
    }
    if len(rules := {_written(table.rule, table.newer_by) for table in brought}) == 1:
        said = {"tables": said["tables"], "rows": rules.pop(), "rules": "", **said}
        said["rules"] = ""
    return ", ".join(f'{name}="{value}"' for name, value in said.items())


def _rule_of(choices: CopyChoices, table: TablePlan) -> tuple[str, str]:
    rule = choices.rule_of(table.name)
    return rule, choices.newer_column(table.name) if table.newer_by else ""


def _written(rule: str, column: str) -> str:
    return f"{rule}{_BY}{column}" if column else rule


class _Rules:
    """What was read so far: the rule for all tables, those of single ones, and the words that stand among them."""

    def __init__(self) -> None:
        self.general = ""
        self.rules: dict[str, str] = {}
        self.newer_by: dict[str, str] = {}
        self.words: dict[str, str] = {}

    def read(self, text: str, *, may_be_for_all: bool) -> None:
        """Read rules that semicolons separate."""
        for part in (piece.strip() for piece in text.split(";") if piece.strip()):
            name, colon, value = (piece.strip() for piece in _split(part))
            if colon and name.lower() in _WORDS:
                self.settle(name.lower(), value)
            elif colon:
                self._add(name, value, part)
            elif not may_be_for_all:
                raise InputRefused(
                    f'"{part}" does not say which table it is for.',
                    hint='Write "schema.table: rule" in `rules`; the rule for all tables goes into `rows`.',
                )
            elif self.general:
                raise InputRefused(
                    f'"{text}" has two rules for all tables: {self.general} and {part}.',
                    hint='Write one rule in `rows`, and "schema.table: rule" in `rules` for tables that differ.',
                )
            else:
                self.general = self._add("", value, part)

    def _add(self, name: str, rule: str, part: str) -> str:
        rule, _, column = (piece.strip() for piece in rule.partition(_BY))
        if close := get_close_matches(name.lower(), _WORDS, n=1, cutoff=0.7):
            raise InputRefused(f'"{part}" is not understood.', hint=f'Did you mean "{close[0]}: {rule}"?')
        if (rule == "newer wins") != bool(column):
            raise InputRefused(
                f'"{part}" is not a rule for rows.',
                hint='Write one of: "replace", "keep new", "newer wins by COLUMN" with the column that is greater in '
                "the newer row.",
            )
        if column:
            self.newer_by[name or "*"] = column
        if name:
            self.rules[name] = rule
        return rule

    def settle(self, word: str, value: str, *, default: str = "") -> None:
        """Take what is said of one word; twice is right only if it says the same."""
        value = value.strip()
        if value == default:
            return
        before = self.words.setdefault(word, value)
        if before != value:
            raise InputRefused(
                f'{word} is said twice: "{before}" and "{value}".', hint=f"Say it once, in the parameter `{word}`."
            )


def _split(part: str) -> tuple[str, str, str]:
    """Take a rule and the table or word before it apart; a bucket's address holds a colon of its own."""
    name, colon, value = part.partition(":")
    return (name, colon, value) if name.strip().lower() in _WORDS else _last(part)


def _last(part: str) -> tuple[str, str, str]:
    name, colon, value = part.rpartition(":")
    return (name, colon, value) if colon else ("", "", part)


def _quoted(text: str) -> str:
    return f'"{text}"'
