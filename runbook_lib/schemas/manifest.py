"""What dbt should have built, read from the `manifest.json` of its last run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib.errors import InputRefused


@dataclass(frozen=True, kw_only=True)
class DbtRelation:
    """A table or view that dbt builds. `columns` are the documented ones, in any order, perhaps not all.

    `kind` is "model", "seed", "snapshot" or "test" (a test whose failures are stored).
    """

    schema: str
    name: str
    kind: str
    columns: tuple[str, ...] = ()
    unique_id: str = ""


@dataclass(frozen=True, kw_only=True)
class DbtManifest:
    """The relations of one dbt project."""

    project: str
    generated_at: str
    relations: tuple[DbtRelation, ...]

    def built_in(self, schema: str) -> tuple[DbtRelation, ...]:
        """Return the models, seeds and snapshots of a schema."""
        return tuple(r for r in self.relations if r.schema == schema and r.kind != "test")

    def tests_in(self, schema: str) -> tuple[DbtRelation, ...]:
        """Return the stored test failures of a schema."""
        return tuple(r for r in self.relations if r.schema == schema and r.kind == "test")

    @property
    def schemas(self) -> frozenset[str]:
        """Name every schema that dbt builds tables in."""
        return frozenset(r.schema for r in self.relations if r.kind != "test")


def read_manifest(path: Path) -> DbtManifest:
    """Read a manifest.json (dbt's artifact schema v4 and later: the keys used here are in all of them).

    Raises:
        InputRefused: it cannot be read, or is no manifest.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        nodes, metadata = dict(content["nodes"]), dict(content["metadata"])
    except OSError as error:
        raise InputRefused(
            f'The dbt manifest "{path}" cannot be read: {error.strerror}.',
            hint="It lies in dbt's target folder after a run; or leave `dbt_manifest` empty.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            f'"{path}" is no manifest of dbt.', hint="Name the manifest.json in dbt's target folder."
        ) from error
    relations = [found for node in nodes.values() if (found := _relation(node))]
    return DbtManifest(
        project=str(metadata.get("project_name") or ""),
        generated_at=str(metadata.get("generated_at") or ""),
        relations=tuple(sorted(relations, key=lambda r: (r.schema, r.name))),
    )


def _relation(node: dict[str, Any]) -> DbtRelation | None:
    kind, config = node.get("resource_type"), node.get("config") or {}
    if not config.get("enabled", True):
        return None
    built = kind in ("model", "seed", "snapshot") and config.get("materialized") not in ("ephemeral", "inline")
    stored = kind == "test" and config.get("store_failures")
    if not (built or stored):
        return None
    return DbtRelation(
        schema=str(node["schema"]),
        name=str(node.get("alias") or node["name"]),
        kind=str(kind),
        columns=tuple(node.get("columns") or ()),
        unique_id=str(node.get("unique_id") or ""),
    )
