"""`runbook records publish`: finish what a run could not publish."""

from __future__ import annotations

import click

from runbook_lib.cli._options import publish_options, records_option
from runbook_lib.errors import InputRefused, NotPublished
from runbook_lib.plain import plain
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.publishing import Destination, publish, published_to
from runbook_lib.records.register import Entry, entries, find
from runbook_lib.records.store import Store


@click.command(short_help="Publish finished records to S3.")
@click.argument("record", nargs=-1)
@records_option
@click.option("--to", "address", default="", metavar="s3://…", help="Where to; without it, where each run wanted to.")
@publish_options
@click.option("--region", default="", help="The bucket's region.")
@click.option("--profile", default="", help="The AWS profile.")
def command(  # noqa: PLR0913 # click hands over each option as a parameter
    *,
    record: tuple[str, ...],
    store: Store,
    address: str,
    kms_key: str,
    retain_days: int,
    publish_limit: float,
    region: str,
    profile: str,
) -> int:
    """Publish the named records, or every record that was to be published and is not. Exit code 9: not all went."""
    found = [find(store, name) for name in record] or list(entries(store))
    chosen = found if record else [entry for entry in found if _waits(store, entry, address)]
    for entry in found:
        if entry.outcome is Outcome.SPOILT:
            click.echo(plain(f"Left out, because it is spoilt: {entry.folder.name}. {entry.problem}"), err=True)
    chosen = [entry for entry in chosen if entry.outcome is not Outcome.SPOILT]
    failed = 0
    for entry in chosen:
        wanted = address or str(entry.summary.get("publish_to", ""))
        if not wanted:
            raise InputRefused(f"Run {entry.run_id} names no place to publish to.", hint="Name one with --to s3://….")
        to = Destination(
            address=wanted,
            kms_key=kms_key,
            retain_days=retain_days,
            region=region,
            profile=profile,
            limit_seconds=publish_limit,
        )
        try:
            click.echo(publish(store, entry.folder, to=to))
        except NotPublished as error:
            failed += 1
            click.echo("\n".join(error.lines()), err=True)
    if not chosen:
        click.echo("Every record that can be published, and was to be, is.")
    return NotPublished.exit_code if failed else 0


def _waits(store: Store, entry: Entry, address: str) -> bool:
    wanted = entry.is_whole and bool(address or entry.summary["publish_to"])
    return wanted and not published_to(store, entry.folder)
