"""The tags by which the runbooks know what is theirs, on clusters, instances and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TAG_PREFIX = "recovery:"
"""Everything the runbooks make carries tags of this prefix: run, incident, plan, source, target, moment, expires; what
a cut-over renames carries cutover, was, becomes; what an approved clean-up deletes carries cleanup."""


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags in an AWS description as a mapping."""
    return {tag["Key"]: tag.get("Value", "") for tag in described.get("TagList") or ()}
