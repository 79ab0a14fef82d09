"""The choices of a notebook as they are now, and what was made from which: a plan of other choices is refused.

Parameters can change at any moment: in their cell, by a button, and cells can be run in any order. So no choice is
copied for later. What is made of choices is kept together with them, and whoever uses it asks for it by `same`, which
compares it with the choices as they are then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from runbook_lib.errors import ApprovalRefused

T = TypeVar("T")
PLAN = "the cell that makes the plan"


@dataclass(frozen=True, kw_only=True)
class Made:
    """The choices something was made from: by parameter, the values that mean the same, and the cell that read them."""

    value: object = field(repr=False)
    of: tuple[object, ...] = field(repr=False)
    choices: Mapping[str, tuple[tuple[Any, ...], str]]


class Given:
    """The parameters of a notebook, read from its namespace each time they are asked for."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._made: list[Made] = []

    def __getitem__(self, name: str) -> Any:
        return self._namespace[name]

    def get(self, name: str) -> Any:
        """Return a parameter's value now, None for one that this notebook does not have."""
        return self._namespace.get(name)

    @property
    def approve(self) -> str:
        """Return the id that is approved now; empty while nothing is."""
        return str(self._namespace.get("approve", "")).strip()

    def choices(self, kind: type[T], **more: Any) -> T:
        """Return the choices of one kind as they are now: each field is the parameter of its name. Keeps them."""
        names = [each.name for each in fields(kind) if each.name in self._namespace]  # type: ignore[arg-type]
        return self.keep(kind(**{name: self[name] for name in names}, **more), *names)

    def keep(self, value: T, *made_of: object, where: str = PLAN) -> T:
        """Keep a value with the choices it is made of, and return it.

        `made_of` are names of parameters, and values that are kept already. `where` names the cell to run again
        when one of these parameters has changed.

        Raises:
            ApprovalRefused: a value that it is made of belongs to other choices.
        """
        choices: dict[str, tuple[tuple[Any, ...], str]] = {}
        parts = [part for part in made_of if not isinstance(part, str)]
        for part in parts:
            self.same(part)
            choices |= self._of(part).choices
        choices |= {name: ((self[name],), where) for name in made_of if isinstance(name, str)}
        self._made = [made for made in self._made if made.value is not value]
        self._made.append(Made(value=value, of=tuple(parts), choices=choices))
        return value

    def same(self, value: T, *, of: object = None) -> T:
        """Return the value if the choices it was made of are still the same, and if it was made of the value `of`.

        Raises:
            ApprovalRefused: they are others now, or no cell of this notebook has made it since the kernel started.
        """
        made = self._of(value)
        changed = {
            name: (values[0], where)
            for name, (values, where) in made.choices.items()
            if self._namespace.get(name) not in values
        }
        if changed:
            raise ApprovalRefused(self._sentence(changed), hint=self._hint(changed), changed=sorted(changed))
        if of is not None and not any(part is of for part in made.of):
            raise ApprovalRefused(
                "The plan has been made again since this was done.",
                hint="Run the cells below the plan, in their order.",
            )
        return value

    def fix(self, value: object, more: Mapping[str, Any]) -> None:
        """Let further values of parameters mean the same for a kept value: "latest", and the moment that it was."""
        made = self._of(value)
        choices = {
            name: ((*values, more[name]) if name in more else values, where)
            for name, (values, where) in made.choices.items()
        }
        self._made[self._made.index(made)] = Made(value=value, of=made.of, choices=choices)

    def _of(self, value: object) -> Made:
        for made in reversed(self._made):
            if made.value is value:
                return made
        raise ApprovalRefused(
            "No cell has made this since the kernel started.", hint="Run the notebook again from its top."
        )

    def _sentence(self, changed: Mapping[str, tuple[Any, str]]) -> str:
        parts = [
            f"{name} was {_literal(was)} then and is {_literal(self._namespace.get(name))} now"
            for name, (was, _) in changed.items()
        ]
        return f"The choices have changed since this plan was made: {'; '.join(parts)}."

    def _hint(self, changed: Mapping[str, tuple[Any, str]]) -> str:
        where = next((where for _, where in changed.values() if where != PLAN), PLAN)
        back = ", ".join(f"{name} = {_literal(was)}" for name, (was, _) in changed.items())
        return f"Run again from {where}, read the new plan and approve that one; or choose {back} again."


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
