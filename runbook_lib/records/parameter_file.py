"""Parameter files: YAML read as text, so that no value means anything before its parameter's type is known.

YAML itself would turn 12:30:00 into 45000, 0123 into 83, no into False and an account id into a number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.records.parameters import Written


class _TextLoader(yaml.BaseLoader):
    """Loads every scalar as the text that is written, and refuses a name given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputRefused(
                f"`{twice[0]}` is given twice in line {node.start_mark.line + 1} and after.", hint="Keep one of them."
            )
        return super().construct_mapping(node, deep=deep)


def read_parameter_file(path: Path) -> dict[str, Written]:
    """Read a YAML file of `name: value` lines.

    Raises:
        InputRefused: no YAML, not a mapping, or a name given twice.
        NotFound: no such file.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_TextLoader)  # noqa: S506 # makes nothing but texts
    except OSError as error:
        raise NotFound(f"There is no parameter file {path}: {error.strerror}.", hint="Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise InputRefused(f"{path} is not YAML{line}.", hint="Write one `name: value` a line.") from error
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise InputRefused(f"{path} does not name parameters.", hint="Write one `name: value` a line.")
    return {name: Written(text=value) for name, value in content.items()}
