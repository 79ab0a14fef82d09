"""Plans as JSON and back, so that a run that was killed is finished by what it had decided."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


def revived(kind: type[T], stored: Any) -> T:
    """Build a frozen dataclass from what `dataclasses.asdict` and JSON made of it."""
    hints = typing.get_type_hints(kind)
    return kind(**{one.name: _value(hints[one.name], stored[one.name]) for one in fields(kind) if one.name in stored})  # type: ignore[arg-type]


def _value(hint: Any, stored: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if stored is None else _value(next(one for one in inner if one is not type(None)), stored)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return tuple(_value(inner[0], one) for one in stored)
        return tuple(_value(one, value) for one, value in zip(inner, stored, strict=True))
    if origin is Mapping:
        return {key: _value(inner[1], value) for key, value in stored.items()}
    if hint is datetime:
        return datetime.fromisoformat(stored)
    if isinstance(hint, type) and is_dataclass(hint):
        return revived(hint, stored)
    return stored
