"""Keep `here` and `there` out of the library's names: which server is meant changes with who reads.

A name is a variable, parameter, attribute, keyword, function, class or import, or a text that is nothing but a name.
Neither word may be in it (`only_here`, `rows_there`), except where `there` says that something exists. Prose may.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

EXISTS = {"is_there", "still_there", "reader_is_there", "THERE_ALREADY", "ALWAYS_THERE"}
WORD = re.compile(r"(?i)(?:^|_)(?:here|there)(?:_|$)")


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name of a module with its line."""
    sentences = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)):
                yield line, name
            case ast.alias(name=name, asname=other):
                yield from ((line, part) for part in (*name.split("."), other or ""))
            case ast.Constant(value=str(name)) if name.isidentifier() and id(node) not in sentences:
                yield line, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield line, name


def main(folder: Path) -> int:
    """Print each place and return 1, or 0 where there is none."""
    found = 0
    for path in sorted(folder.rglob("*.py")):
        for line, name in names(ast.parse(path.read_text(encoding="utf-8"))):
            if WORD.search(name) and name.lstrip("_") not in EXISTS:
                found += 1
                print(f"{path}:{line}: `{name}`: say restored and damaged, source and copy, ours and theirs")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if sys.argv[1:] else "runbook_lib")))
