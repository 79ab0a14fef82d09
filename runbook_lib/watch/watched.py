"""A watch as a whole: its findings, and what its record keeps for the next one and for metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.checks import State
from runbook_lib.watch.checks import judge
from runbook_lib.watch.declared import Finding
from runbook_lib.watch.facts import Facts
from runbook_lib.watch.inside import Inside
from runbook_lib.watch.past import KEY, Past, remembered

ORDER: tuple[State, ...] = ("bad", "unknown", "warn", "ok")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a watch found, the worst first as `troubles`."""

    facts: Facts = field(repr=False)
    findings: tuple[Finding, ...]
    known: list[dict[str, Any]] = field(repr=False)

    @property
    def counts(self) -> Counter[State]:
        """Return how many findings there are of each state."""
        return Counter(finding.state for finding in self.findings)

    @property
    def troubles(self) -> tuple[Finding, ...]:
        """Return everything that is not ok, the worst first."""
        found = [finding for finding in self.findings if finding.state != "ok"]
        return tuple(sorted(found, key=lambda finding: ORDER.index(finding.state)))

    @property
    def is_well(self) -> bool:
        """Tell whether nothing is bad and everything could be looked at."""
        return not (self.counts["bad"] or self.counts["unknown"])

    def as_json(self) -> dict[str, Any]:
        """Return what the record keeps: every state that is not ok, and of ok ones that they were looked at."""
        facts = self.facts
        return {
            KEY: {
                "version": 1,
                "scope": facts.scope,
                "region": facts.region,
                "account": facts.account,
                "one_cluster": bool(facts.cluster),
                "leave_out": facts.choices.leave_out,
                "clusters": [cluster.identifier for cluster in facts.watched],
                "not_ok": [[found.declared.name, found.about, found.state] for found in self.troubles],
                "known": self.known,
            }
        }


def watched(facts: Facts, inside: Inside | None, past: Past) -> Watched:
    """Judge everything, and gather what the next watch needs."""
    return Watched(facts=facts, findings=judge(facts, inside, past), known=remembered(facts, inside, past))
