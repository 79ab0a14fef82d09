"""What a load is tried as: what it says of itself, how it is looked at before, how it is run against a clone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check
from runbook_lib.clusters import Cluster
from runbook_lib.mysql import Credentials

PLACES = ("host", "port", "user", "account")
"""What a load may write in braces to name its target; `{account}` is the clone's own secret in Secrets Manager."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The clone that a load is run against, with the account that is the clone's own."""

    session: AwsSession = field(repr=False)
    cluster: Cluster
    account: Credentials = field(repr=False)

    def filled(self, text: str) -> str:
        """Put the clone's host, port, user and account where a text names them in braces."""
        endpoint = self.cluster.endpoint
        values = (endpoint.host, str(endpoint.port), self.account.user, self.cluster.secret_arn)
        for name, value in zip(PLACES, values, strict=True):
            text = text.replace(f"{{{name}}}", value)
        return text


@dataclass(frozen=True, kw_only=True)
class Step:
    """One statement of a load that is worth a line: how long it took, how the server did it, what waited meanwhile."""

    statement: str
    seconds: float
    how: str = ""
    locked: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a load ended on the clone. `error` is empty where it ended well; `said` are its last lines."""

    seconds: float
    error: str = ""
    said: str = ""
    steps: tuple[Step, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()


class TriedLoad(Protocol):
    """One kind of load."""

    @property
    def words(self) -> str:
        """Say what it is."""

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what makes it this load and no other; part of the plan's id."""

    def checks(self, source: Source, /) -> Iterable[Check]:
        """Look whether it could reach anything but the clone. What is not known to be harmless is held."""

    def run(self, target: Target) -> Outcome:
        """Run it against the clone, to its end. Its own failure is an outcome, not an error."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the production cluster is called: whatever a load names of these, its target is fixed."""

    cluster: Cluster
    names: tuple[str, ...]

    @classmethod
    def of(cls, cluster: Cluster) -> Source:
        """Collect every name by which a program could reach a cluster."""
        raw = cluster.raw
        found = [
            raw.get("Endpoint"),
            raw.get("ReaderEndpoint"),
            *(raw.get("CustomEndpoints") or ()),
            cluster.secret_arn,
        ]
        found += [f"{member.get('DBInstanceIdentifier')}." for member in raw.get("DBClusterMembers") or ()]
        found += [f"{cluster.identifier}."]  # every endpoint begins with a name and a dot
        return cls(cluster=cluster, names=tuple(str(name) for name in found if name and name != "localhost"))

    def named_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Return each line of a text that names the source, and the name."""
        for number, line in enumerate(text.splitlines(), 1):
            if name := next((name for name in self.names if _names(line, name)), ""):
                yield number, name.rstrip(".")


def _names(line: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}", line, re.IGNORECASE) is not None
