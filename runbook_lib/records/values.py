"""What a parameter's annotation allows, and what a value written by somebody means under it.

Text stays text wherever the parameter is one: account ids keep their zeros and YAML's 12:30:00 stays a time.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from runbook_lib import times
from runbook_lib.errors import InputRefused
from runbook_lib.redaction import looks_secret, secret_name

_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_NONE = ("None", "null")
_REFERENCE = re.compile(r"\b([Nn]ame|[Ii]d|ARN)\b")


def annotation_of(default: Any) -> str:
    """Return the annotation a default means where the cell gives none."""
    return "str | None" if default is None else type(default).__name__


def check_annotation(written: str, *, parameter: str) -> None:
    """Raises InputRefused: an annotation that is not of str, int, float, bool, None, list, dict, Literal."""
    for kind in _kinds(ast.parse(written, mode="eval").body):
        if _base(kind) not in {"str", "int", "float", "bool", "None", "list", "tuple", "dict", "Literal"}:
            raise InputRefused(
                f"The type `{written}` of parameter `{parameter}` cannot be checked.",
                hint="Use str, int, float, bool, list, dict, Literal[…], or one of them with `| None`.",
            )


def _kinds(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _kinds(node.left) + _kinds(node.right)
    if isinstance(node, ast.Subscript) and _base(node) == "Optional":
        return [*_kinds(node.slice), ast.Constant(None)]
    return [node]


def _base(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _base(node.value)
    return ast.unparse(node).rpartition(".")[2]


def from_text(text: Any, *, annotation: str, parameter: str) -> Any:
    """Return the value that a written text (or a list or mapping of texts) means under the annotation.

    Raises:
        InputRefused: the text is not of that type, or could mean two things.
    """
    if not isinstance(text, str):
        return _from_texts(text, annotation, parameter)
    kinds = _kinds(ast.parse(annotation, mode="eval").body)
    names = [_base(kind) for kind in kinds]
    if "None" in names and text in _NONE:
        return None
    for kind, name in zip(kinds, names, strict=True):
        if name == "Literal":
            choices = ast.literal_eval(kind.slice) if isinstance(kind, ast.Subscript) else ()
            for choice in choices if isinstance(choices, tuple) else (choices,):
                if str(choice) == text:
                    return choice
            raise _refused(text, annotation, parameter, hint=f"Choose one of: {ast.unparse(kind)[8:-1]}.")
    if "str" in names:
        return text
    for name in names:
        if reader := _READERS.get(name):
            return reader(text, annotation, parameter)
    raise _refused(text, annotation, parameter)


def _from_texts(texts: Any, annotation: str, parameter: str) -> Any:
    for kind in _kinds(ast.parse(annotation, mode="eval").body):
        inner = kind.slice if isinstance(kind, ast.Subscript) else ast.Name("str")
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        item = ast.unparse(parts[-1] if _base(kind) == "dict" else parts[0])
        if isinstance(texts, list) and _base(kind) in {"list", "tuple"}:
            return [from_text(text, annotation=item, parameter=parameter) for text in texts]
        if isinstance(texts, dict) and _base(kind) == "dict":
            return {name: from_text(text, annotation=item, parameter=parameter) for name, text in texts.items()}
    raise _refused(texts, annotation, parameter)


def _integer(text: str, annotation: str, parameter: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _refused(
            text, annotation, parameter, hint="Write a plain whole number; an id with leading zeros belongs into a str."
        )
    return int(text)


def _float(text: str, annotation: str, parameter: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise _refused(text, annotation, parameter, hint="Write a plain number, for example 2.5.")
    return value


def _bool(text: str, annotation: str, parameter: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise _refused(text, annotation, parameter, hint="Write true or false.")
    return text.lower() == "true"


def _structure(text: str, annotation: str, parameter: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _refused(text, annotation, parameter, hint='Write it as JSON, for example ["a", "b"].') from error
    return from_value(value, annotation=annotation, parameter=parameter)


_READERS: dict[str, Callable[[str, str, str], Any]] = {
    "int": _integer,
    "float": _float,
    "bool": _bool,
    "list": _structure,
    "tuple": _structure,
    "dict": _structure,
}


def from_value(value: Any, *, annotation: str, parameter: str) -> Any:
    """Return a Python value as the parameter takes it; an aware datetime becomes its UTC text.

    Raises:
        InputRefused: the value is of another type.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = times.iso(value)
    if isinstance(value, date):
        raise _refused(value, annotation, parameter, hint='Write the moment as text, "2026-02-04T10:00:00Z".')
    kinds = _kinds(ast.parse(annotation, mode="eval").body)
    for kind in kinds:
        if _fits(value, kind):
            return float(value) if _base(kind) == "float" else value
    hint = 'Give it in quotes: a number loses its leading zeros (account "012345678901").'
    raise _refused(value, annotation, parameter, hint=hint if "str" in map(_base, kinds) else "")


def _fits(value: Any, kind: ast.expr) -> bool:
    name = _base(kind)
    if name == "Literal" and isinstance(kind, ast.Subscript):
        choices = ast.literal_eval(kind.slice)
        return value in (choices if isinstance(choices, tuple) else (choices,))
    if name == "None":
        return value is None
    if isinstance(value, bool):
        return name == "bool"
    if name in {"list", "tuple"}:
        item = kind.slice if isinstance(kind, ast.Subscript) else None
        item = item.elts[0] if isinstance(item, ast.Tuple) else item
        inner = _kinds(item) if item is not None else []
        return isinstance(value, list | tuple) and all(
            not inner or any(_fits(entry, each) for each in inner) for entry in value
        )
    types: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "dict": dict}
    return name in types and isinstance(value, types[name])


def refuse_secret(parameter: str, value: Any, *, comment: str = "") -> None:
    """Raises InputRefused: a value that looks like a secret; a parameter is stored twice in the record.

    A parameter with a telling name is taken for a reference where its `comment` calls it a name, an id or an ARN.
    """
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    telling = secret_name(parameter) if isinstance(value, str) and value and not _REFERENCE.search(comment) else ""
    kind = looks_secret(text) or telling
    if kind:
        raise InputRefused(
            f"The parameter `{parameter}` looks like a secret ({kind}), and parameters are recorded.",
            hint="Name the secret in Secrets Manager, or an environment variable, and let the notebook read its value.",
        )


def _refused(value: object, annotation: str, parameter: str, *, hint: str = "") -> InputRefused:
    return InputRefused(
        f"The parameter `{parameter}` takes {annotation}, which {value!r} is not.",
        hint=hint or f"Give a value of type {annotation}.",
    )
