"""`runbook alarms`: the alarms of the watch, as Terraform or CloudFormation."""

from __future__ import annotations

import click

from runbook_lib.cli._options import Duration
from runbook_lib.errors import InputRefused


@click.command(short_help="Print the alarms of the watch, as Terraform or CloudFormation.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terraform", "cloudformation"]),
    default="terraform",
    show_default=True,
    help="What to write.",
)
@click.option("--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], help="The region that is watched.")
@click.option("--cluster", default="", metavar="NAME", help="The one cluster that is watched; empty: all.")
@click.option("--every", type=Duration(), default=3600.0, show_default="1h", help="How often the watch runs.")
@click.option("--leave-out", default="", metavar="CHECKS", help="The checks that the watch leaves out.")
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="A Glue job that loads; none: every job.")
def command(form: str, region: str | None, cluster: str, every: float, leave_out: str, jobs: tuple[str, ...]) -> None:
    """Write an alarm for each metric that `runbook run watch_backups --cloudwatch` sends, and one for its heartbeat.

    Missing data is an alarm: a watch that does not run any more is found out by the second interval. Give the same
    cluster and the same checks as the watch. Asks AWS nothing.
    """
    from runbook_lib.watch.alarms import Wanted, cloudformation, terraform

    if not region:
        raise InputRefused("No region is named.", hint="Give --region, or set AWS_REGION.")
    wanted = Wanted(region=region, cluster=cluster.lower(), every_s=every, leave_out=leave_out, jobs=jobs)
    click.echo((terraform if form == "terraform" else cloudformation)(wanted).rstrip())
