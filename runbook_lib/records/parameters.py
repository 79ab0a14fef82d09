"""A notebook's parameters: read from its parameters cell by `ast`, checked before a kernel starts.

papermill takes an unknown name with a warning and runs on with the default, pastes names as code, turns the account
012345678901 into an integer and 12:30:00 into 45000. Here a value is only what the cell says it may be.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import keyword
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import InputRefused
from runbook_lib.records import values


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter as its cell declares it: `annotation` as written, `default` as a value, `comment` for people."""

    name: str
    annotation: str
    default: Any
    comment: str = ""

    @property
    def default_text(self) -> str:
        """Return the default as it would be written in the cell."""
        return repr(self.default) if not isinstance(self.default, str) else json.dumps(self.default, ensure_ascii=False)


OF_THE_READER = (
    Parameter(name="profile", annotation="str", default="", comment="AWS profile; empty takes the environment's"),
    Parameter(name="timezone", annotation="str", default="", comment="zone to show times in beside UTC"),
)
"""What every notebook that has a `region` takes, also where its cell does not list it: `runbook.start` looks for both.
One parameter file serves all notebooks."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A value as somebody wrote it (command line, YAML): only the parameter's type says what it means.

    `text` is a text, or a list or mapping of texts.
    """

    text: Any


def read_parameters(notebook: Mapping[str, Any], *, name: str) -> tuple[Parameter, ...]:
    """Read the parameters of a notebook (its JSON, format 4). `name` is for messages.

    Gives nothing when no cell is tagged `parameters`.

    Raises:
        InputRefused: two such cells, or a cell that does more than give literals to names.
    """
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if not tagged:
        return ()
    if len(tagged) > 1:
        raise InputRefused(
            f"{name} has {len(tagged)} cells tagged `parameters`, so nobody can say which values win.",
            hint="Leave the tag on one cell.",
        )
    source = "".join(tagged[0]["source"])
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise InputRefused(
            f"The parameters cell of {name} is not Python: {error.msg} in line {error.lineno}.", hint="Mend the cell."
        ) from error
    comments = _comments(source)
    found = tuple(_parameter(statement, comments, name) for statement in statements if not _is_text(statement))
    names = [parameter.name for parameter in found]
    if twice := next((known for known in names if names.count(known) > 1), ""):
        raise InputRefused(f"The parameters cell of {name} gives `{twice}` twice.", hint="Keep one of them.")
    if "region" not in names:
        return found
    return (*found, *(parameter for parameter in OF_THE_READER if parameter.name not in names))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, comments: Mapping[int, str], name: str) -> Parameter:
    target, annotation, value = _parts(statement)
    if not isinstance(target, ast.Name) or value is None:
        raise InputRefused(
            f"The parameters cell of {name} does more than give values to names (line {statement.lineno}).",
            hint='Keep one `name: str = "value"  # comment` a line in it, and compute in a later cell.',
        )
    try:
        default = ast.literal_eval(value)
    except ValueError as error:
        raise InputRefused(
            f"The default of `{target.id}` in {name} is computed, so it cannot be read before the kernel starts.",
            hint="Write a plain literal, and compute in a later cell.",
        ) from error
    written = ast.unparse(annotation) if annotation else values.annotation_of(default)
    values.check_annotation(written, parameter=target.id)
    return Parameter(
        name=target.id,
        annotation=written,
        default=default,
        comment=comments.get(statement.end_lineno or statement.lineno, ""),
    )


def _parts(statement: ast.stmt) -> tuple[ast.expr | None, ast.expr | None, ast.expr | None]:
    if isinstance(statement, ast.AnnAssign):
        return statement.target, statement.annotation, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0], None, statement.value
    return None, None, None


def check_parameters(parameters: Iterable[Parameter], given: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the values to inject, each of its parameter's type. `given` holds Python values or `Written` ones.

    Raises:
        InputRefused: an unknown name (with the nearest known one), a value of another type, or a secret.
    """
    known = {parameter.name: parameter for parameter in parameters}
    checked: dict[str, Any] = {}
    for asked, value in given.items():
        if asked not in known:
            raise _unknown(asked, known, name)
        parameter = known[asked]
        written = value.text if isinstance(value, Written) else value
        values.refuse_unwritable(asked, written)
        values.refuse_secret(asked, written, comment=parameter.comment)
        if isinstance(value, Written):
            checked[asked] = values.from_text(value.text, annotation=parameter.annotation, parameter=asked)
        else:
            checked[asked] = values.from_value(value, annotation=parameter.annotation, parameter=asked)
    for parameter in known.values():
        values.refuse_secret(parameter.name, parameter.default, comment=parameter.comment)
    return checked


def _unknown(asked: str, known: Mapping[str, Parameter], name: str) -> InputRefused:
    if not asked.isidentifier() or keyword.iskeyword(asked):
        return InputRefused(f"{asked!r} is not a name a parameter can have.", hint=_names(known))
    if not known:
        return InputRefused(
            f"{name} has no cell tagged `parameters`, so it cannot take `{asked}`.",
            hint="Tag the cell with the defaults, or run without parameters.",
        )
    near = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
    guess = f"Did you mean `{near[0]}`? " if near else ""
    return InputRefused(f"{name} has no parameter `{asked}`.", hint=guess + _names(known))


def _names(known: Mapping[str, Parameter]) -> str:
    return f"Its parameters: {', '.join(known) or 'none'}."
