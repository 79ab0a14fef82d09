"""What a person chose about a bring-back, as the notebook's parameters say it, and the rules for rows written since."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from runbook_lib.bringback.copy import CopyBackPlan, CopyChoices
from runbook_lib.errors import InputRefused

WAYS = ("compare", "copy", "cutover", "undo copy", "undo cutover")
_BY = " by "
_WORDS = ("conflicts", "definitions", "through")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The choices. Each field is a parameter of `bring_back_data`; all are read when this is made.

    `way` "compare" plans nothing. `cluster` is the damaged one as the person wrote it. `tables` are names of tables or
    schemas, separated by commas; empty takes what the proof calls damaged. `rows` is the rule for rows written since:
    "replace", "keep new" or "newer wins by COLUMN"; tables with a rule of their own follow it, "keep new;
    staging.apartments: replace; staging.rooms: newer wins by updated_at". `conflicts` says whose row is taken where
    both have one and no rule decides, `definitions` whose views, routines and events. `through` is how rows travel:
    load, insert, mydumper, s3, or a bucket as s3-region://bucket/prefix. `secret` is as in `prove_pairing`. The one
    line that said all of it, "keep new; conflicts: source", is still read in `rows`.

    Raises:
        InputRefused: a choice that is none of those there are, or two that exclude each other.
    """

    way: str = "compare"
    cluster: str = ""
    tables: str = ""
    rows: str = "replace"
    conflicts: str = ""
    definitions: str = "source"
    through: str = ""
    secret: str = ""

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
        found.read(self.rows)
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
    was = plan.choices
    if was is None:
        return "the choices it was planned with; an earlier version has not kept them"
    if _meant(was) == _meant(wanted.choices):
        return ""
    rules = [_written(was.rows, was.newer_by.get("*", ""))]
    rules += [f"{name}: {_written(rule, was.newer_by.get(name, ''))}" for name, rule in was.rules.items()]
    said = {
        "tables": ", ".join(was.tables),
        "rows": "; ".join(rules),
        "conflicts": was.conflicts,
        "definitions": was.definitions,
    }
    return ", ".join(f'{name}="{value}"' for name, value in said.items())


def _meant(choices: CopyChoices) -> tuple[object, ...]:
    """Return what decides a plan, but for how its rows travel."""
    rules = (dict(choices.rules), dict(choices.newer_by))
    return {*choices.tables}, choices.rows, *rules, choices.conflicts, choices.definitions


def _written(rule: str, column: str) -> str:
    return f"{rule}{_BY}{column}" if column else rule


class _Rules:
    """What was read so far: the rule for all tables, those of single ones, and the words that stand among them."""

    def __init__(self) -> None:
        self.general = ""
        self.rules: dict[str, str] = {}
        self.newer_by: dict[str, str] = {}
        self.words: dict[str, str] = {}

    def read(self, text: str) -> None:
        """Read rules that semicolons separate."""
        for part in (piece.strip() for piece in text.split(";") if piece.strip()):
            name, colon, value = (piece.strip() for piece in _split(part))
            if colon and name.lower() in _WORDS:
                self.settle(name.lower(), value)
            elif colon:
                self._add(name, value, part)
            elif self.general:
                raise InputRefused(
                    f'"{text}" has two rules for all tables: {self.general} and {part}.',
                    hint='Write one rule for all, and "schema.table: rule" for each table that differs.',
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
