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
    for name in dict.fromkeys(names):
        if reader := _READERS.get(name):
            return reader(text, annotation, parameter)
    raise _refused(text, annotation, parameter)


def _from_texts(texts: Any, annotation: str, parameter: str) -> Any:
    for kind in _kinds(ast.parse(annotation, mode="eval").body):
        if isinstance(texts, list) and _base(kind) in {"list", "tuple"}:
            items = _items(kind, len(texts))
            if items is None:
                raise _refused(texts, annotation, parameter)
            pairs = zip(texts, items, strict=True)
            return [from_text(text, annotation=ast.unparse(item), parameter=parameter) for text, item in pairs]
        if isinstance(texts, dict) and _base(kind) == "dict":
            named, item = (ast.unparse(part) for part in _entries(kind))
            return {
                from_text(name, annotation=named, parameter=parameter): from_text(
                    text, annotation=item, parameter=parameter
                )
                for name, text in texts.items()
            }
    raise _refused(texts, annotation, parameter)


def _items(kind: ast.expr, count: int) -> list[ast.expr] | None:
    """Return the annotation of each item of a list or tuple of `count` items; None where it cannot have so many."""
    if not isinstance(kind, ast.Subscript):
        return [ast.Name("str")] * count
    parts = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
    is_open = len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...
    if _base(kind) == "list" or is_open:
        return [parts[0]] * count
    return list(parts) if len(parts) == count else None


def _entries(kind: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Return the annotations of a dict's names and values."""
    if isinstance(kind, ast.Subscript) and isinstance(kind.slice, ast.Tuple) and len(kind.slice.elts) == 2:
        return kind.slice.elts[0], kind.slice.elts[1]
    return ast.Name("str"), ast.Name("str")


def _integer(text: str, annotation: str, parameter: str) -> int:
    hint = "Write a plain whole number; an id with leading zeros belongs into a str."
    if not _INTEGER.fullmatch(text):
        raise _refused(text, annotation, parameter, hint=hint)
    try:
        return int(text)
    except ValueError as error:  # Python reads no number of more than 4,300 figures
        raise _refused(text, annotation, parameter, hint=hint) from error


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
        value = json.loads(text, object_pairs_hook=_each_name_once)
    except (ValueError, RecursionError) as error:
        hint = 'Write it as JSON, for example ["a", "b"], and each name of a mapping once.'
        raise _refused(text, annotation, parameter, hint=hint) from error
    refuse_unwritable(parameter, value)
    return from_value(value, annotation=annotation, parameter=parameter)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping of these pairs. Raises ValueError: a name is given twice, and nobody can say which wins."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name is given twice")
    return found


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
        return any(
            value == choice and type(value) is type(choice)  # 1 is equal to True and to 1.0
            for choice in (choices if isinstance(choices, tuple) else (choices,))
        )
    if name == "None":
        return value is None
    if isinstance(value, bool):
        return name == "bool"
    if name in {"list", "tuple"}:
        if not isinstance(value, list | tuple):
            return False
        items = _items(kind, len(value)) if isinstance(kind, ast.Subscript) else []
        return items is not None and all(_is_one_of(entry, item) for entry, item in zip(value, items, strict=False))
    if name == "dict":
        if not isinstance(value, dict):
            return False
        named, item = _entries(kind) if isinstance(kind, ast.Subscript) else (None, None)
        return item is None or all(_is_one_of(key, named) and _is_one_of(entry, item) for key, entry in value.items())
    if name == "float":
        return isinstance(value, int | float) and math.isfinite(value)
    types: dict[str, Any] = {"str": str, "int": int}
    return name in types and isinstance(value, types[name])


def _is_one_of(value: Any, annotation: ast.expr | None) -> bool:
    return annotation is not None and any(_fits(value, kind) for kind in _kinds(annotation))


def refuse_unwritable(parameter: str, value: Any) -> None:
    """Raises InputRefused: half a surrogate pair, a number that is none (NaN), or a value nested too deeply."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise InputRefused(
            f"The parameter `{parameter}` holds what no file can hold ({type(error).__name__}).",
            hint="Write plain text and numbers.",
        ) from error


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
        f"The parameter `{parameter}` takes {annotation}, which {_short(value)} is not.",
        hint=hint or f"Give a value of type {annotation}.",
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}… ({len(text):,} signs)"
