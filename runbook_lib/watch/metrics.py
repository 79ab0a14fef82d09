"""A watch's states as metrics: Prometheus' text file, and CloudWatch's requests. Pure: nothing is sent or written.

A run that did not come as far as its findings leaves every check unknown, never what the run before it found.
CloudWatch gets one metric a check and scope, the worst state of all its clusters: a metric costs $0.30 a month, and a
thousand clusters with ten checks each would be 10,000 of them. Prometheus' file has one line for each cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.checks import State
from runbook_lib.watch.declared import VALUES, Declared, wanted_checks

NAMESPACE = "RecoveryRunbooks"
DIMENSION = "Watch"
HEARTBEAT = "Heartbeat"
_A_REQUEST = 500  # CloudWatch API Reference, PutMetricData: at most 1,000 metrics; 1 MB


@dataclass(frozen=True, kw_only=True)
class Beat:
    """That a runner lives: which notebook it ran for which scope, when it ended, and with which exit code."""

    notebook: str
    scope: str
    ended: datetime
    exit_code: int
    seconds: float


def states_of(
    kept: Mapping[str, Any] | None, *, one_cluster: bool, leave_out: str, scope: str
) -> dict[Declared, dict[str, State]]:
    """Return how each check stands for each cluster, from what a record keeps of a watch (None: it kept nothing)."""
    if kept is None:
        about = scope if one_cluster else ""
        checks = wanted_checks(one_cluster=one_cluster, leave_out=leave_out)
        return {declared: {about if declared.level != "region" else "": "unknown"} for declared in checks}
    found: dict[Declared, dict[str, State]] = {}
    for declared in wanted_checks(one_cluster=bool(kept["one_cluster"]), leave_out=str(kept["leave_out"])):
        clusters = [""] if declared.level == "region" else kept["clusters"] or [""]
        found[declared] = dict.fromkeys(map(str, clusters), "ok")
    by_name = {declared.name: of for declared, of in found.items()}
    for name, about, state in kept["not_ok"]:
        by_name[name][about] = state
    return found


def prometheus(states: Mapping[Declared, Mapping[str, State]], beat: Beat) -> str:
    """Write the text exposition format: a gauge for each check, and when the run ended, with which exit code.

    Source: Prometheus' "Exposition formats" and "Metric and label naming": seconds are base units and in the name.
    """
    lines: list[str] = []
    for declared, of in states.items():
        lines += _gauge(
            declared.gauge,
            f"{declared.meaning} 0 ok, 1 mind, 2 unknown, 3 bad.",
            ((_labels(watch=beat.scope, cluster=about), VALUES[state]) for about, state in of.items()),
        )
    own = _labels(watch=beat.scope, notebook=beat.notebook)
    lines += _gauge(
        "recovery_run_end_timestamp_seconds", "When the last run ended.", [(own, round(beat.ended.timestamp(), 3))]
    )
    lines += _gauge("recovery_run_exit_code", "The exit code of the last run.", [(own, beat.exit_code)])
    lines += _gauge("recovery_run_duration_seconds", "How long the last run took.", [(own, round(beat.seconds, 3))])
    return "\n".join(lines) + "\n"


def _gauge(name: str, meaning: str, values: Iterable[tuple[str, float]]) -> Iterator[str]:
    said = meaning.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} gauge"
    yield from (f"{name}{labels} {value}" for labels, value in values)


def _labels(**labels: str) -> str:
    written = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"'))
        for name, value in labels.items()
    )
    return "{" + ",".join(written) + "}"


def cloudwatch(states: Mapping[Declared, Mapping[str, State]], beat: Beat) -> list[dict[str, Any]]:
    """Return the PutMetricData requests: each check's worst state, and the heartbeat."""
    dimensions = [{"Name": DIMENSION, "Value": beat.scope}]
    worst = {declared.metric: max(VALUES[state] for state in of.values()) for declared, of in states.items()}
    data = [
        {"MetricName": name, "Dimensions": dimensions, "Timestamp": beat.ended, "Value": float(value), "Unit": "None"}
        for name, value in {**worst, HEARTBEAT: 1}.items()
    ]
    return [
        {"Namespace": NAMESPACE, "MetricData": data[start : start + _A_REQUEST]}
        for start in range(0, len(data), _A_REQUEST)
    ]
