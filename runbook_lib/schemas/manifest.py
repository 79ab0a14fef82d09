"""What dbt should have built, read from the `manifest.json` of its last run, and the `run_results.json` beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runbook_lib.errors import InputRefused


@dataclass(frozen=True, kw_only=True)
class DbtRelation:
    """A table or view that dbt builds. `columns` are the documented ones, in any order, perhaps not all.

    `kind` is "model", "seed", "snapshot", "test" (a test whose failures are stored) or "source" (a table that others
    load and dbt reads). `enforced`: dbt's contract holds its columns to the documented ones. `failed`: the last run
    ended with it in error, with this message; empty if it did not, or no results lie beside the manifest.
    """

    schema: str
    name: str
    kind: str
    columns: tuple[str, ...] = ()
    unique_id: str = ""
    enforced: bool = False
    failed: str = ""


@dataclass(frozen=True, kw_only=True)
class DbtManifest:
    """The relations of one dbt project."""

    project: str
    generated_at: str
    relations: tuple[DbtRelation, ...]

    def built_in(self, schema: str) -> tuple[DbtRelation, ...]:
        """Return the models, seeds and snapshots of a schema."""
        return tuple(r for r in self.relations if r.schema == schema and r.kind not in ("test", "source"))

    def sources_in(self, schema: str) -> tuple[DbtRelation, ...]:
        """Return the landing tables of a schema: others load them, dbt reads them."""
        return tuple(r for r in self.relations if r.schema == schema and r.kind == "source")

    def tests_in(self, schema: str) -> tuple[DbtRelation, ...]:
        """Return the stored test failures of a schema."""
        return tuple(r for r in self.relations if r.schema == schema and r.kind == "test")

    @property
    def schemas(self) -> frozenset[str]:
        """Name every schema that dbt builds tables in."""
        return frozenset(r.schema for r in self.relations if r.kind not in ("test", "source"))

    def for_server(self, *, case_sensitive: bool) -> DbtManifest:
        """Return the names as a server keeps them: in lower case where its lower_case_table_names is not 0."""
        if case_sensitive:
            return self
        lowered = (replace(r, schema=r.schema.lower(), name=r.name.lower()) for r in self.relations)
        return replace(self, relations=tuple(sorted(lowered, key=lambda r: (r.schema, r.name))))

    def explains(self, schema: str) -> str:
        """Say what dbt does in a schema, empty if nothing."""
        built, tests, sources = self.built_in(schema), self.tests_in(schema), self.sources_in(schema)
        project = f" of project {self.project}" if self.project else ""
        parts = [
            f"{len(found)} {what}"
            for what, found in (("tables and views that it builds", built), ("stored failures of tests", tests),
                                ("landing tables that it reads", sources))
            if found
        ]  # fmt: skip
        return f"dbt{project}: {', '.join(parts)}" if parts else ""


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
    results = _results(path.with_name("run_results.json"))
    sources = [source for source in dict(content.get("sources") or {}).values() if isinstance(source, dict)]
    found = [_relation(node, results) for node in (*nodes.values(), *sources)]
    return DbtManifest(
        project=str(metadata.get("project_name") or ""),
        generated_at=str(metadata.get("generated_at") or ""),
        relations=tuple(sorted(filter(None, found), key=lambda r: (r.schema, r.name))),
    )


def _results(path: Path) -> dict[str, dict[str, Any]]:
    """Return what the last run came to, by unique id; nothing where there is no such file.

    Raises:
        InputRefused: the file is there and is no result of a run.
    """
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        return {str(result["unique_id"]): dict(result) for result in results}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            f'"{path}" is no run_results.json of dbt.', hint="Take it away, or copy the one of the last run there."
        ) from error


def _relation(node: dict[str, Any], results: dict[str, dict[str, Any]]) -> DbtRelation | None:
    kind, config = node.get("resource_type"), node.get("config") or {}
    if not config.get("enabled", True):
        return None
    unique_id = str(node.get("unique_id") or "")
    result = results.get(unique_id, {})
    built = kind in ("model", "seed", "snapshot") and config.get("materialized") not in ("ephemeral", "inline")
    # --store-failures on the command line leaves no trace in the test's config: its table's name does
    stored = kind == "test" and (config.get("store_failures") or node.get("relation_name"))
    stored = stored or (kind == "test" and result.get("relation_name"))
    if not (built or stored or kind == "source"):
        return None
    failed = str(result.get("message") or result["status"]) if result.get("status") in ("error", "skipped") else ""
    name = node.get("identifier") if kind == "source" else node.get("alias")
    contract = config.get("contract") or node.get("contract") or {}
    return DbtRelation(
        schema=str(node["schema"]),
        name=str(name or node["name"]),
        kind=str(kind),
        columns=tuple(node.get("columns") or ()),
        unique_id=unique_id,
        enforced=bool(contract.get("enforced")),
        failed=" ".join(failed.split())[:200],
    )
