"""`runbook dump`: what a vendor's dump would do, and the same dump made safe."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from runbook_lib.errors import CheckFailed, InputRefused

if TYPE_CHECKING:
    from runbook_lib.schemas.dump.clean import Cleaned
    from runbook_lib.schemas.dump.report import DumpReport


@click.group(short_help="Check a vendor's dump before it is loaded, or write it safe to load.")
def command() -> None:
    """Read a dump as a stream: a file, `-` for standard input, or s3://bucket/key; plain, gzip or zstd."""
    # numpy only counts bits here; threads for its linear algebra cost a third of its import.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@command.command(short_help="Say what loading a dump would do.")
@click.argument("dump")
@click.option("--schema", required=True, help="The schema it is meant for.")
@click.option("--contract", type=click.Path(path_type=Path), help="Compare its tables with this contract.")
@click.option("--region", default="", help="AWS region of an s3:// address.")
@click.option("--profile", default="", help="AWS profile for an s3:// address.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as one JSON object.")
def check(dump: str, schema: str, contract: Path | None, as_json: bool, **aws: str) -> int:
    """Read DUMP to its end and change nothing. Exit code 3 when it must not be loaded as it is."""
    with _lasting():
        from runbook_lib.schemas.dump.check import check_dump
        from runbook_lib.schemas.dump.source import open_dump

    expected = _expected(contract, schema) if contract else ()
    with open_dump(dump, session=_session(dump, **aws)) as source:
        report = check_dump(source, schema=schema, expected=expected)
    click.echo(json.dumps(asdict(report) | {"safe": report.safe}) if as_json else _report_text(report))
    return 0 if report.safe else CheckFailed.exit_code


@command.command(short_help="Write the same dump, safe to load into one schema.")
@click.argument("dump")
@click.option("--schema", required=True, help="The only schema the cleaned dump can be loaded into.")
@click.option("-o", "--output", required=True, help="Where to write; .gz and .zst are packed, `-` is standard output.")
@click.option("--take", default="", metavar="SCHEMA", help="Which schema to take from a dump of several.")
@click.option("--region", default="", help="AWS region of an s3:// address.")
@click.option("--profile", default="", help="AWS profile for an s3:// address.")
def clean(dump: str, schema: str, output: str, take: str, **aws: str) -> int:
    """Write DUMP again, safe: no CREATE DATABASE, no USE, names mended, DROP only of what it brings, rows untouched.

    Only what is known to be safe is written. Exit code 3 when something is left out (it is named), and when the dump is
    refused, cut short for example: then nothing is left at the output.
    """
    with _lasting():
        from runbook_lib.schemas.dump.clean import clean_dump
        from runbook_lib.schemas.dump.source import open_dump, packed_writer

    with open_dump(dump, session=_session(dump, **aws)) as source:
        if output == "-":
            stdout: IO[bytes] = sys.stdout.buffer
            done = clean_dump(source, stdout.write, schema=schema, take=take)
            click.echo(_cleaned_text(done, output), err=True)
            return _outcome(done)
        target = Path(output)
        if target.exists() and target.samefile(dump if Path(dump).exists() else "/"):
            raise InputRefused("The dump cannot be cleaned onto itself.", hint="Write to another file with -o.")
        partial = target.with_name(f".partial-{target.name}")
        try:
            with packed_writer(partial) as out:
                done = clean_dump(source, out.write, schema=schema, take=take)
            partial.replace(target)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
    click.echo(_cleaned_text(done, output))
    return _outcome(done)


def _outcome(done: Cleaned) -> int:
    return 0 if done.whole else CheckFailed.exit_code


@contextmanager
def _lasting() -> Iterator[None]:
    """Keep what is imported within from ever being searched for garbage, about a seventh of a small dump's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _session(dump: str, region: str, profile: str) -> Any:
    if not dump.startswith("s3://"):
        return None
    from runbook_lib.aws import connect

    return connect(region=region, profile=profile)


def _expected(contract: Path, schema: str) -> tuple[str, ...]:
    from runbook_lib.schemas.contract import read_contract

    return read_contract(contract).table_patterns(schema)


def _report_text(report: DumpReport) -> str:
    complete = {True: "yes", False: "no", None: "nobody can say"}[report.complete]
    lines = [
        report.headline,
        f"  made by    {report.made_by or 'unknown'}",
        f"  size       {report.unpacked_bytes:,} bytes unpacked ({report.packing})",
        f"  complete   {complete}",
        f"  brings     {len(report.tables)} tables, {sum(bool(t.row_bytes) for t in report.tables)} with rows, "
        f"{report.other_objects} views, routines, triggers and events",
        f"  writes to  {', '.join(report.schemas_written)}",
    ]
    for finding in report.findings:
        lines.append(f"{finding.level.upper():8} {finding.topic}: {finding.text}")
        where = f"first at byte {finding.first_at:,}" if finding.first_at is not None else ""
        examples = "; ".join(finding.examples)
        if where or examples:
            lines.append("         " + " · ".join(part for part in (f"{finding.count}×", where, examples) if part))
    return "\n".join(lines)


def _cleaned_text(done: Cleaned, output: str) -> str:
    lines = [f"Written to {output}: {done.bytes_written:,} bytes."]
    if done.source_schema:
        lines.append(f"  taken from    {done.source_schema}")
    if done.mended:
        some = ", ".join(f"{old} → {new}" for old, new in list(done.mended.items())[:3])
        lines.append(f"  names mended  {len(done.mended)}: {some}{' …' if len(done.mended) > 3 else ''}")
    if done.definers_removed:
        lines.append(f"  definers      {done.definers_removed} removed")
    if done.charset:
        lines.append(f"  load it with  --default-character-set={done.charset}")
    lines += [f"  not needed    {count}× {what}" for what, count in sorted(done.passed_over.items())]
    for what, seen in sorted(done.left_out.items()):
        lines.append(
            f"  LEFT OUT      {seen.count}× {what}, first at byte {seen.first_at:,}: {'; '.join(seen.examples)}"
        )
    lines += [f"  LEFT OUT      DROP {what}, which the dump does not bring" for what in done.drops_left_out[:20]]
    if not done.whole:
        lines.append("What is left out is not known to be safe, or is elsewhere: look at it before you load the rest.")
    return "\n".join(lines)
