"""What must be told to others after a cut-over or its undo: Terraform's state, policies by resource id, caches."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.bringback.cutover.plan import CutOverPlan


@dataclass(frozen=True, kw_only=True)
class ToTell:
    """One thing to do outside AWS's own bookkeeping: who is told, why, and the exact commands where there are any."""

    whom: str
    why: str
    commands: tuple[str, ...] = ()


def to_tell(plan: CutOverPlan) -> tuple[ToTell, ...]:
    """Return everything that does not follow the names by itself. Pure; Terraform addresses are the reader's own."""
    pairing = plan.pairing
    old, new = (pairing.source, pairing.copy) if plan.direction == "cut over" else (pairing.copy, pairing.source)
    return (
        ToTell(
            whom="Terraform",
            why=f"its state goes by the name, so {plan.name} means the other cluster from now on, and the next apply "
            "would change that one to fit the code. Read the first command's answer before any apply; the lines with "
            "import only where a plan wants to replace a resource",
            commands=_terraform(plan),
        ),
        ToTell(
            whom="IAM policies with rds-db:connect",
            why=f"they name the cluster's resource id, and {plan.name} is {new.resource_id} now instead of "
            f"{old.resource_id}",
        ),
        ToTell(
            whom="applications with open connections or a cached address",
            why="the name leads elsewhere once its DNS entry is read anew: restart what holds connections; one to the "
            "other cluster still writes there",
        ),
        ToTell(
            whom="later restores",
            why=f"backups follow the cluster, not the name: moments before the copy was made are restored from "
            f"cluster={plan.damaged}",
        ),
    )


def _terraform(plan: CutOverPlan) -> tuple[str, ...]:
    members = [rename.becomes for rename in plan.into if rename.kind == "instance"]
    again = [("ADDRESS_OF_THE_CLUSTER", plan.name)]
    again += [(f"'ADDRESS_OF_THE_INSTANCES[{number}]'", name) for number, name in enumerate(members)]
    return (
        "terraform plan -refresh-only",
        "terraform apply -refresh-only",
        *(f"terraform state rm {address} && terraform import {address} {name}" for address, name in again),
    )
