"""What expressions of a Python program can be, read from its syntax tree without running it.

A value is a text, a constant, or not known. A text may have holes (`words.HOLE`) where only the running job knows:
what is known around them still counts. Names are followed where every assignment to them can be read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runbook_lib.guard.words import HOLE

_SAME_TEXT = frozenset(
    [
        "strip",
        "lstrip",
        "rstrip",
        "format_map",
        "encode",
        "decode",
        "expandtabs",
        "split",
        "splitlines",
        "partition",
        "rpartition",
    ]
)
_CASES = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "capitalize": str.capitalize,
    "swapcase": str.swapcase,
}
_WRAPPERS = frozenset(
    ["Template", "text", "str", "SQL", "dedent", "literal_column", "cleandoc", "Composed", "bytes", "sqlalchemy_text"]
)
_DEEPEST = 24


@dataclass(kw_only=True)
class Names:
    """What the names of a program are bound to: every expression that is assigned, None for one that cannot be read."""

    bound: dict[str, list[ast.expr | None]] = field(default_factory=dict)

    @staticmethod
    def of(tree: ast.AST) -> Names:
        """Collect the assignments of a whole program; scopes are not told apart, which only makes a name less known."""
        names = Names()
        for node in ast.walk(tree):
            names._take(node)
        return names

    def _take(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
            self._bind(node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            before = self.bound.get(name_of(node.target)) if isinstance(node.target, ast.Name) else None
            left = ast.Tuple(elts=[value for value in before or () if value is not None] or [ast.Constant(HOLE)])
            self._bind(node.target, ast.BinOp(left=left, op=node.op, right=node.value))
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            for element in self._elements(node.iter):
                self._bind(node.target, element)
        elif isinstance(node, ast.arg):
            self.bound.setdefault(node.arg, []).append(None)
        elif isinstance(node, ast.withitem) and node.optional_vars:
            self._bind(node.optional_vars, node.context_expr)

    def _elements(self, node: ast.expr) -> list[ast.expr | None]:
        """Return what a loop goes through, as far as it is written here: of a mapping its keys, values or both."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            holder, what = node.func.value, node.func.attr
            held = self.values(holder.id) if isinstance(holder, ast.Name) else [holder]
            mappings = [value for value in held if isinstance(value, ast.Dict)]
            if what in ("items", "keys", "values") and mappings and len(mappings) == len(held):
                pairs = [pair for each in mappings for pair in zip(each.keys, each.values, strict=True)]
                both = [ast.Tuple(elts=[key or ast.Constant(HOLE), value]) for key, value in pairs]
                if what == "items":
                    return [*both]
                return [key if what == "keys" else value for key, value in pairs]
        return _elements(node)

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.bound.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Attribute):
            self.bound.setdefault(f".{target.attr}", []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for place, part in enumerate(target.elts):
                self._bind(part, parts[place] if place < len(parts) else None)

    def values(self, name: str) -> list[ast.expr | None]:
        """Return what a name (`.name` for an attribute) is bound to; one None where it is never bound here."""
        return self.bound.get(name) or [None]

    # ---- texts -----------------------------------------------------------------------------------------------------

    def texts(self, node: ast.expr | None, depth: int = 0) -> tuple[str, ...]:
        """Return every text an expression can be, as far as is known; what is not known in it is a hole."""
        if node is None or depth > _DEEPEST:
            return (HOLE,)
        if isinstance(node, ast.Constant):
            return (_of_constant(node.value),)
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else f".{node.attr}"
            if isinstance(node, ast.Attribute) and name not in self.bound:
                name = node.attr  # of a class or a module: its names are not told apart
            return self._any(self.values(name), depth)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return self.texts(node.elt, depth + 1)
        if isinstance(node, ast.JoinedStr):
            return self._product([*node.values], depth)
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value, depth + 1)
        if isinstance(node, ast.BinOp):
            return self._joined(node, depth)
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return self._any([*node.elts], depth)
        if isinstance(node, ast.IfExp):
            return self._any([node.body, node.orelse], depth)
        if isinstance(node, ast.BoolOp):
            return self._any([*node.values], depth)
        if isinstance(node, ast.Subscript):
            return self._any(self._items(node), depth)
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        if isinstance(node, ast.Await | ast.Starred | ast.NamedExpr):
            return self.texts(node.value, depth + 1)
        return (HOLE,)

    def text(self, node: ast.expr | None) -> str | None:
        """Return the one text an expression is; None where it is not known whole, or can be several."""
        found = self.texts(node)
        return found[0] if len(found) == 1 and HOLE not in found[0] else None

    def _any(self, nodes: list[ast.expr | None], depth: int) -> tuple[str, ...]:
        found = dict.fromkeys(text for node in nodes[:64] for text in self.texts(node, depth + 1))
        return tuple(found)[:64] or (HOLE,)

    def _product(self, nodes: list[ast.expr], depth: int) -> tuple[str, ...]:
        joined: tuple[str, ...] = ("",)
        for node in nodes:
            texts = self.texts(node, depth + 1)
            joined = tuple(dict.fromkeys(a + b for a in joined for b in texts))
            if len(joined) > 64:
                return (HOLE,)
        return joined

    def _joined(self, node: ast.BinOp, depth: int) -> tuple[str, ...]:
        if isinstance(node.op, ast.Add):
            return self._product([node.left, node.right], depth)
        if isinstance(node.op, ast.Mod):
            return tuple(_filled(text, self._arguments(node.right, depth)) for text in self.texts(node.left, depth + 1))
        if isinstance(node.op, ast.Div):  # a path
            return self._product([node.left, ast.Constant("/"), node.right], depth)
        return (HOLE,)

    def _arguments(self, node: ast.expr, depth: int) -> list[str]:
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        found = [self.texts(part, depth + 1) for part in nodes]
        return [texts[0] if len(texts) == 1 else HOLE for texts in found]

    def _items(self, node: ast.Subscript) -> list[ast.expr | None]:
        holders = self.values(node.value.id) if isinstance(node.value, ast.Name) else [node.value]
        found: list[ast.expr | None] = []
        for holder in holders:
            if isinstance(holder, ast.Dict):
                wanted = node.slice.value if isinstance(node.slice, ast.Constant) else None
                pairs = [
                    (key.value if isinstance(key, ast.Constant) else None, value)
                    for key, value in zip(holder.keys, holder.values, strict=True)
                ]
                hits = [value for key, value in pairs if wanted is None or key == wanted]
                found += hits or [None]
            elif isinstance(holder, ast.Tuple | ast.List):
                found += holder.elts
            else:
                found.append(None)
        return found

    def _called(self, node: ast.Call, depth: int) -> tuple[str, ...]:
        name = name_of(node.func)
        if isinstance(node.func, ast.Attribute):
            if name == "format":
                return tuple(self._formatted(text, node, depth) for text in self.texts(node.func.value, depth + 1))
            if name in ("substitute", "safe_substitute"):
                return self._substituted(node, depth)
            if name in _SAME_TEXT:
                return self.texts(node.func.value, depth + 1)
            if name in _CASES:
                return tuple(_CASES[name](text) for text in self.texts(node.func.value, depth + 1))
            if name == "join" and len(node.args) == 1:
                return self._joined_list(node, depth)
            if name == "replace" and len(node.args) >= 2:
                old, new = (self.texts(part, depth + 1) for part in node.args[:2])
                texts = self.texts(node.func.value, depth + 1)
                return tuple(text.replace(a, b) if a != HOLE else text for text in texts for a in old for b in new)[:64]
        if name in _WRAPPERS and node.args:
            return self.texts(node.args[0], depth + 1)
        if name in ("chr", "bytes", "fromhex", "b64decode", "unhexlify", "decompress"):
            return (HOLE,)
        return (HOLE,)

    def _joined_list(self, node: ast.Call, depth: int) -> tuple[str, ...]:
        assert isinstance(node.func, ast.Attribute)
        lists = self.values(node.args[0].id) if isinstance(node.args[0], ast.Name) else [node.args[0]]
        found: list[str] = []
        for between in self.texts(node.func.value, depth + 1):
            for parts in lists:
                if isinstance(parts, ast.Tuple | ast.List):
                    nodes: list[ast.expr] = []
                    for part in parts.elts:
                        nodes += [ast.Constant(between), part] if nodes else [part]
                    found += self._product(nodes, depth)
                elif isinstance(parts, ast.ListComp | ast.SetComp | ast.GeneratorExp):
                    found += self.texts(parts.elt, depth + 1)
                else:
                    found.append(HOLE)
        return tuple(found)[:64] or (HOLE,)

    def _substituted(self, node: ast.Call, depth: int) -> tuple[str, ...]:
        """Fill a string.Template; what it is not given here stays a hole."""
        assert isinstance(node.func, ast.Attribute)
        given = {word.arg: self._single(word.value, depth) for word in node.keywords if word.arg}

        def value(found: re.Match[str]) -> str:
            return given.get(found[1] or found[2], HOLE)

        holder = node.func.value
        inner = holder.args[0] if isinstance(holder, ast.Call) and holder.args else holder
        return tuple(re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text) for text in self.texts(inner, depth + 1))

    def _formatted(self, text: str, node: ast.Call, depth: int) -> str:
        positional = [self._single(part, depth) for part in node.args]
        named = {word.arg: self._single(word.value, depth) for word in node.keywords if word.arg}
        found, at = [], 0
        while (begin := text.find("{", at)) >= 0:
            found.append(text[at:begin])
            if text.startswith("{{", begin):
                found.append("{")
                at = begin + 2
                continue
            end = text.find("}", begin)
            if end < 0:
                break
            key = text[begin + 1 : end].split(":")[0].split("!")[0]
            if not key or key.isdigit():
                place = int(key) if key else sum(part is not None for part in found if part == "\0")
                found.append(positional[place] if place < len(positional) else HOLE)
                if not key and positional:
                    positional = positional[1:]
            else:
                found.append(named.get(key, HOLE))
            at = end + 1
        return "".join([*found, text[at:]]).replace("}}", "}")

    def _single(self, node: ast.expr, depth: int) -> str:
        texts = self.texts(node, depth + 1)
        return texts[0] if len(texts) == 1 else HOLE


def name_of(node: ast.expr) -> str:
    """Return the last name of what is called: `execute` of `cursor.execute`; empty where it has none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if _is_getattr(node):
        assert isinstance(node, ast.Call)
        return str(getattr(node.args[1], "value", ""))
    return node.id if isinstance(node, ast.Name) else ""


def _is_getattr(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) > 1
    )


def chain(node: ast.expr) -> Iterator[ast.expr]:
    """Return a chain of calls and attributes from its end to its beginning: `a.b(1).c(2)` gives c(2), b(1), a."""
    while True:
        yield node
        if isinstance(node, ast.Call):
            node = node.func
        if isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and _is_getattr(node):
            node = node.args[0]
        else:
            return


def _elements(node: ast.expr) -> list[ast.expr | None]:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [*node.elts]
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        return [node.elt]
    if isinstance(node, ast.Call) and name_of(node.func) in ("split", "splitlines"):
        return [node]
    return [node] if isinstance(node, ast.Name) else [None]


def _of_constant(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


def _filled(text: str, arguments: list[str]) -> str:
    found, at, used = [], 0, 0
    while (begin := text.find("%", at)) >= 0:
        found.append(text[at:begin])
        kind = text[begin + 1 : begin + 2]
        if kind == "%":
            found.append("%")
            at = begin + 2
        elif kind in ("s", "d", "r", "i"):
            found.append(arguments[used] if used < len(arguments) else HOLE)
            used, at = used + 1, begin + 2
        else:
            end = text.find(")", begin)
            found.append(HOLE)
            at = end + 2 if kind == "(" and end > 0 else begin + 2
    return "".join([*found, text[at:]])
