"""Copy back by mydumper and myloader: chosen by a rule, exact or refused, and begun anew after whatever stopped it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from runbook_lib.bringback.copy import CopyBackPlan, CopyChoices, apply_copy_back, propose_copy_back
from runbook_lib.bringback.copy.transport.dumper import TRIED, Dumper, find_dumper
from runbook_lib.bringback.copy.transport.ways import choose_way
from runbook_lib.errors import InputRefused, StepFailed
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials, Endpoint, authorities, write_option_file
from runbook_lib.proof import prove
from tests.copying import NOW, ROOMS, Estate
from tests.test_bringback_copy_plan import RENT, column, server

HERE = Dumper(version="0.10.0", free=1 << 40)
installed = pytest.mark.skipif(not find_dumper().version.startswith(TRIED), reason="needs mydumper and myloader 0.10")
TYPES = (
    "CREATE DATABASE kinds CHARACTER SET utf8mb4",
    "CREATE TABLE kinds.every (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(40) CHARACTER SET latin1, u TEXT,"
    " label VARCHAR(50) AS (CONCAT('t:', t)) STORED, b BIT(9), e ENUM('x', '1', '0'), s SET('a', 'b'), d DATE,"
    " ts TIMESTAMP(6) NULL, g GEOMETRY, bl BLOB, dd DOUBLE, de DECIMAL(30, 10), tm TIME(3), y YEAR, KEY (t))",
    "CREATE TABLE kinds.bag (v VARCHAR(20))",
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "INSERT INTO kinds.every (id, t, u, b, e, s, d, ts, g, bl, dd, de, tm, y) VALUES"
    " (0, 'é\\t\\n\\\\\\'\"', '日本😀', b'101010101', '1', 'a,b', '0000-00-00', '2020-03-01 02:00:00.123456',"
    " ST_GeomFromText('POINT(1 2)'), X'00FF5C22270A', 1 / 3e0, 12345678901234567890.0123456789, '-12:00:01.5', 2020),"
    " (5, NULL, '', NULL, '', '', '2020-02-00', NULL, NULL, '', 1e300, NULL, NULL, NULL)",
    "INSERT INTO kinds.bag VALUES ('x'), ('x'), (NULL)",
)


def way(
    dumper: Dumper,
    through: str = "",
    *,
    kind: str = "varchar",
    size: int = 1 << 30,
    named: str = "rents",
    local_infile: str = "OFF",
    create: str = "",
) -> str:
    """Return the way of a table of one column at a source, whose local_infile is off, and why."""
    table = replace(
        server("copy", size=size).tables[RENT],
        name=TableName(schema="letting", name=named),
        columns=(column("c", kind),),
        create=create,
    )
    found, why = choose_way(
        table,
        restored=server("copy"),
        damaged=server("source", local_infile=local_infile),
        choices=CopyChoices(through=through),
        is_local=False,
        dumper=dumper,
    )
    return f"{found}: {why}"


def test_the_rule_takes_mydumper_where_it_helps_and_is_exact_and_else_says_why_not() -> None:
    assert way(HERE).startswith("mydumper: local_infile is off on the damaged server, no bucket")
    assert way(HERE, local_infile="ON") == "load: local_infile is on at the damaged server"
    assert "not installed" in way(Dumper())
    assert "0.16.7 on this machine, and only 0.10.x" in way(replace(HERE, version="0.16.7"))
    assert "FLOAT rounded (c)" in way(HERE, kind="float")
    assert "no JSON" in way(HERE, kind="json")
    assert "type of c" in way(HERE, kind="inet6")
    for computed in ("DEFAULT CURRENT_TIMESTAMP", "DEFAULT (uuid())", "/*!80023 INVISIBLE */"):
        assert "leaves out columns" in way(HERE, create=f"CREATE TABLE `rents` (`c` varchar(40) {computed})")
    assert way(HERE, create="CREATE TABLE `rents` (`c` varchar(40) DEFAULT '(')").startswith("mydumper")
    assert "file names" in way(HERE, named="rent. 日本")
    assert "1.3 GiB of this machine's disk" in way(replace(HERE, free=1 << 30))
    assert "too small" in way(HERE, size=1000)
    assert way(HERE, size=300 << 30, local_infile="ON").endswith("mydumper would take longer")
    for said in (way(Dumper()), way(HERE, kind="float"), way(HERE, size=1000)):
        assert said.startswith("insert: ")


def test_a_way_that_is_asked_for_is_gone_or_refused_with_the_reason() -> None:
    assert way(HERE, "mydumper", local_infile="ON") == "mydumper: asked for"
    assert way(HERE, "insert", local_infile="ON") == "insert: asked for"
    with pytest.raises(InputRefused, match="through mydumper: mydumper writes FLOAT rounded"):
        way(HERE, "mydumper", kind="float")
    with pytest.raises(InputRefused, match="through load: local_infile is off"):
        way(HERE, "load")
    with pytest.raises(InputRefused, match="through s3: no bucket is named"):
        way(HERE, "s3")
    with pytest.raises(InputRefused, match="Rows cannot travel through"):
        CopyChoices(through="pigeon")


def test_the_password_stands_in_a_file_of_ours_alone(tmp_path: Path) -> None:
    path = write_option_file(
        tmp_path / "o.cnf",
        Endpoint(host="db.example.com", port=3307),
        Credentials(user="admin", password='a"b\\c#d'),
        groups=("client", "mydumper"),
    )
    assert path.stat().st_mode & 0o777 == 0o600
    said = path.read_text().splitlines()
    assert said.count('password="a\\"b\\\\c#d"') == 2
    for line in (f'ssl-ca="{authorities().path}"', 'ssl-verify-server-cert="1"'):
        assert said.count(line) == 2, "encrypted, and the server identified, as our own connections are"


def planned(estate: Estate, *tables: str) -> CopyBackPlan:
    return propose_copy_back(
        estate.copy, estate.source, proof=None, choices=CopyChoices(tables=tables, through="mydumper"), now=NOW
    )


@installed
def test_every_type_travels_by_mydumper_as_it_is(estate: Estate) -> None:
    estate.make(*TYPES)
    with estate.source.connect() as source:
        source.execute("DROP TABLE kinds.every")
        source.execute("DELETE FROM kinds.bag")
    plan = planned(estate, "kinds")
    assert {table.way for table in plan.tables} == {"mydumper"}
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert done.copied_rows == 5
    assert prove(estate.copy, estate.source, schemas=("kinds",)).verdict == "same"


@installed
def test_a_load_that_was_cut_off_is_begun_anew_even_while_its_myloader_still_runs(estate: Estate) -> None:
    estate.make(*TYPES)
    with estate.source.connect() as source:
        source.execute("DROP DATABASE kinds")
    plan = planned(estate, "kinds")
    told = {
        "copy": asdict(estate.plane.endpoint("expected")),
        "source": asdict(estate.plane.endpoint("found")),
        "master": asdict(estate.master),
        "tables": ["kinds"],
        "now": NOW.isoformat(),
        "through": "mydumper",
        "words": "SET done = ",  # all is loaded, and not yet noted
        "times": 1,
        "undo": False,
    }
    killed = subprocess.run([sys.executable, "-m", "tests.copying_apart"], input=json.dumps(told), text=True)
    assert killed.returncode == -9
    bag = next(table.staging for table in plan.tables if table.name.name == "bag")
    with estate.source.connect() as left_over:  # as a myloader whose run is gone: in the schema, its rows not committed
        left_over.execute(f"USE `{bag.schema}`")
        left_over.execute("START TRANSACTION")
        left_over.execute("INSERT INTO bag VALUES ('late')")
        again = planned(estate, "kinds")
        assert again.id == plan.id
        assert again.resumes
        apply_copy_back(estate.copy, estate.source, again, approve=plan.id)
    assert prove(estate.copy, estate.source, schemas=("kinds",)).verdict == "same"


@installed
@pytest.mark.parametrize("tool", ["mydumper", "myloader"])
def test_a_tool_that_fails_is_told_in_one_sentence_and_another_way_finishes(
    estate: Estate, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(f"DELETE FROM {ROOMS}")
        source.execute("DELETE FROM letting.log")
    plan = planned(estate, "letting.log")
    broken = tmp_path / tool
    broken.write_text("#!/bin/sh\necho 'the disk is full.' >&2\nexit 3\n")
    broken.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path), prepend=":")
        with pytest.raises(StepFailed) as told:
            apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    assert f"{tool} ended with status 3 for letting.log: the disk is full. Only the staging" in told.value.message
    with estate.source.connect() as source:
        assert source.value("SELECT COUNT(*) FROM letting.log") == 0, "nothing was swapped"
    other = propose_copy_back(
        estate.copy, estate.source, proof=None, choices=CopyChoices(tables=("letting.log",), through="load"), now=NOW
    )
    assert other.id != plan.id
    apply_copy_back(estate.copy, estate.source, other, approve=other.id)
    with estate.source.connect() as source:
        assert source.value("SELECT COUNT(*) FROM letting.log") == 3


@installed
def test_a_table_that_cannot_go_by_it_is_refused_before_anything_is_made(estate: Estate) -> None:
    with pytest.raises(InputRefused, match=r"house\.hold\.rooms cannot travel through mydumper: its name has letters"):
        planned(estate, "house.hold")
    with estate.source.connect() as source:
        assert not source.rows("SHOW DATABASES LIKE '%copyback%'")
