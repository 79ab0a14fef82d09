"""A load is tried on a clone: what it would do is told to the row, and nothing of production is in its reach."""

from __future__ import annotations

import base64
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.checks import Check
from runbook_lib.clusters import Cluster, cluster_from, find_cluster
from runbook_lib.errors import CheckFailed, InputRefused
from runbook_lib.guard import try_load as tries
from runbook_lib.guard.try_load.checks import require_harmless
from runbook_lib.guard.try_load.command import VARIABLES, command_of
from runbook_lib.guard.try_load.difference import damage_of
from runbook_lib.guard.try_load.glue_job import GlueJob
from runbook_lib.guard.try_load.loads import Source
from runbook_lib.guard.try_load.sql_file import read_sql_file
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import EstateProof, differences, take_proof
from runbook_lib.restore import apply
from runbook_lib.schemas.dump.source import packed_writer
from runbook_lib.times import utc_now
from tests.conftest import QUICK
from tests.matrix import release
from tests.publishing import LIVE, clear, make_live
from tests.test_policy import run_notebook

ROOT = Path(__file__).parents[1]
HOST = "prod.cluster-abc.ap-northeast-1.rds.amazonaws.com"
PRODUCTION = Source.of(
    cluster_from(
        {
            "DBClusterIdentifier": "prod",
            "DBClusterArn": "arn:aws:rds:ap-northeast-1:123456789012:cluster:prod",
            "Engine": "aurora-mysql",
            "Endpoint": HOST,
            "ReaderEndpoint": HOST.replace("cluster-", "cluster-ro-"),
            "DBClusterMembers": [{"DBInstanceIdentifier": "prod-writer-1"}],
            "MasterUserSecret": {
                "SecretArn": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!cluster-1"
            },
        }
    )
)


def states(checks: Any) -> dict[str, str]:
    return {check.subject: check.state for check in checks}


# ---- what may be tried at all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 INTO OUTFILE '/tmp/x';",
        "CREATE TABLE t (id INT) ENGINE = FEDERATED CONNECTION='mysql://u:p@prod/x';",
        "CREATE TABLE t (id INT) ENGINE=CONNECT table_type=mysql;",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'prod');",
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='prod';",
        "CALL mysql.rds_set_external_source('prod', 3306, 'u', 'p', '', 0, 0);",
        "CALL mysql.lambda_async('arn:aws:lambda:f', '{}');",
        "SELECT lambda_sync('arn', '{}');",
        "CREATE FUNCTION f RETURNS STRING SONAME 'udf.so';",
        "START REPLICA;",
        "system rm -rf /\nSELECT 1;",
        "source other.sql\n",
        "\\! ls\n",
        "connect x prod\n",
        "INSTALL PLUGIN x SONAME 'x.so';",
        "SHUTDOWN;",
        "KILL 7;",
        "FROBNICATE;",
    ],
)
def test_a_file_that_reaches_beyond_its_server_is_held(tmp_path: Path, text: str) -> None:
    path = tmp_path / "load.sql"
    path.write_text(f"SELECT 1;\n{text}\nSELECT 2;\n")
    load = read_sql_file(None, str(path), schema="")  # type: ignore[arg-type]
    assert states(load.checks(PRODUCTION))["reach"] == "bad", load.findings


def test_an_ordinary_dump_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "load.sql.gz"
    path.write_bytes(
        gzip.compress(
            b"/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE t;\nCREATE TABLE t (id INT, server INT, connect TEXT);"
            b"\n"
            b"LOCK TABLES t WRITE;\nINSERT INTO t VALUES (1, 2, 'SOURCE x; OUTFILE');\nUNLOCK TABLES;\nDELIMITER ;;\n"
            b"CREATE PROCEDURE p() BEGIN SELECT 1; END;;\nDELIMITER ;\nALTER TABLE t ADD COLUMN slave INT;\n"
        )
    )
    load = read_sql_file(None, str(path), schema="s")  # type: ignore[arg-type]
    assert states(load.checks(PRODUCTION)) == {"reach": "ok"}, load.findings
    assert load.statements == 8


def held_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, files: Mapping[str, str] = {}, **env: str
) -> str:
    monkeypatch.chdir(folder)
    for name, text in files.items():
        (folder / name).write_text(text)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    command = command_of(line, hand_on=", ".join(env))
    return states(command.checks(PRODUCTION))["target"]


def test_a_command_whose_target_is_fixed_or_not_known_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    takes = f"host = os.environ['{VARIABLES[0]}']"
    assert held_command(tmp_path, monkeypatch, "python etl.py", {"etl.py": takes}) == "ok"
    assert held_command(tmp_path, monkeypatch, "load --host {host}") == "ok"
    for line, files, env in [
        (f"mysql -h {HOST}", {}, {}),
        ("mysql -h prod-writer-1.abc.ap-northeast-1.rds.amazonaws.com {host}", {}, {}),
        ("python etl.py", {"etl.py": f"{takes}\nfallback = '{HOST.upper()}'"}, {}),
        ("dbt build", {"profiles.yml": f"host: {HOST}\n# {VARIABLES[0]}"}, {}),
        ("python etl.py", {"etl.py": takes, ".env": f"DB={HOST}"}, {}),
        ("python etl.py", {"etl.py": takes, ".env": ""}, {"DB_URL": f"mysql://x@{HOST}/staging"}),
        ("python other.py", {"etl.py": "pass", "other.py": "connect()", ".env": ""}, {}),
    ]:
        assert held_command(tmp_path, monkeypatch, line, files, **env) == "bad", line
        (tmp_path / "profiles.yml").unlink(missing_ok=True)
    for line, hand_on in [
        ("load {password}", ""),
        ("", ""),
        ("load 'x", ""),
        ("load {host}", "RUNBOOK_MYSQL_PASSWORD"),
    ]:
        with pytest.raises(InputRefused):
            command_of(line, hand_on=hand_on)


SCRIPT = 'args = getResolvedOptions(sys.argv, ["db_host", "db_account"])'


@pytest.mark.parametrize(
    ("described", "script", "arguments", "subject", "state"),
    [
        ({}, SCRIPT, {"--db_host": "{host}", "--db_account": "{account}"}, "target", "ok"),
        ({"Connections": {"Connections": ["prod-db"]}}, SCRIPT, {"--db_host": "{host}"}, "target", "bad"),
        ({"DefaultArguments": {"--db_host": HOST}}, SCRIPT, {"--db_account": "{account}"}, "target", "bad"),
        ({"DefaultArguments": {"--db_host": HOST}}, SCRIPT, {"--db_host": "{host}"}, "target", "ok"),
        ({"NonOverridableArguments": {"--db_host": HOST}}, SCRIPT, {"--db_host": "{host}"}, "target", "bad"),
        ({}, f"{SCRIPT}\nurl = 'jdbc:mysql://{HOST}/staging'", {"--db_host": "{host}"}, "target", "bad"),
        ({}, f"{SCRIPT}\nurl = 'jdbc:mysql://10.0.0.7:3306/staging'", {"--db_host": "{host}"}, "target", "bad"),
        (
            {},
            f"{SCRIPT}\nhost = 'other.cluster-x.eu-west-1.rds.amazonaws.com'",
            {"--db_host": "{host}"},
            "target",
            "bad",
        ),
        ({}, f"{SCRIPT}\nconf = glue.extract_jdbc_conf('prod')", {"--db_host": "{host}"}, "target", "bad"),
        (
            {},
            f"{SCRIPT}\nf = glue.write_dynamic_frame.from_catalog(database='x')",
            {"--db_host": "{host}"},
            "target",
            "bad",
        ),
        ({}, f"{SCRIPT}\nurl = f'jdbc:mysql://{{db_host}}/staging'", {"--db_host": "{host}"}, "target", "ok"),
        ({}, "print('no arguments are read')", {"--db_host": "{host}"}, "arguments", "bad"),
        ({}, SCRIPT, {"--db_host": "10.0.0.7"}, "arguments", "bad"),
        ({}, SCRIPT, {}, "arguments", "bad"),
    ],
)
def test_a_glue_job_whose_target_is_fixed_is_held(
    described: dict[str, Any], script: str, arguments: dict[str, str], subject: str, state: str
) -> None:
    job = GlueJob(name="daily_etl", arguments=arguments, described=described, script=script)
    found = {check.subject: check for check in job.checks(PRODUCTION)}
    assert found[subject].state == state
    assert state == "ok" or found[subject].hint


def test_a_job_whose_script_nobody_can_read_is_held() -> None:
    job = GlueJob(name="j", arguments={"--db_host": "{host}"}, described={}, script="", trouble="access denied")
    assert states(job.checks(PRODUCTION)) == {"script": "unknown"}
    plan = type("Plan", (), {"id": "p", "load": job})()
    checks = tuple(job.checks(PRODUCTION))
    with pytest.raises(CheckFailed, match="nobody knows its target"):
        require_harmless(checks, plan, approve="p")


# ---- tried on a clone ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stand_in(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("tries"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield stand_in


@dataclass
class Trying:
    """A stand-in with a small live schema, and the load that is tried."""

    stand_in: StandIn
    admin: Database
    folder: Path

    def plan(self, text: str = "", *, load: str = "") -> tuple[tries.TryPlan, tuple[Check, ...]]:
        if text:
            path = self.folder / "load.sql"
            path.write_text(text)
            load = str(path)
        session = self.stand_in.session()
        wanted = tries.Wanted(load=load, schema=LIVE if text else "")
        plan = tries.propose_try(session, self.source(), wanted=wanted, now=utc_now())
        assert plan is not None
        return plan, tries.check_try(session, plan, identity=session.identity(), now=utc_now())

    def source(self) -> Cluster:
        return find_cluster(self.stand_in.session(), self.stand_in.cluster)

    def tried(self, text: str = "", *, load: str = "") -> tries.Tried:
        plan, checks = self.plan(text, load=load)
        return tries.apply_try(self.stand_in.session(), plan, checks, approve=plan.id)

    def clones(self) -> list[dict[str, Any]]:
        found = self.stand_in.session().client("rds").describe_db_clusters()["DBClusters"]
        return [cluster for cluster in found if "-at-try-" in cluster["DBClusterIdentifier"]]

    def live(self) -> EstateProof:
        return take_proof(self.admin)


@pytest.fixture
def trying(stand_in: StandIn, tmp_path: Path) -> Iterator[Trying]:
    with stand_in.admin() as admin:
        make_live(admin, definer="'admin'@'%'")
        yield Trying(stand_in=stand_in, admin=admin, folder=tmp_path)
        clear(admin)


@pytest.mark.one_engine
def test_the_notebook_tries_a_load_and_production_is_as_it_was(trying: Trying) -> None:
    """It should name what would be lost, make no changing call that names the source, and leave no clone."""
    path = trying.folder / "load.sql.zst"
    with packed_writer(path) as packed:
        packed.write(f"USE {LIVE};\nDELETE FROM rates;\nDROP TABLE notes;\n".encode())
    store = trying.stand_in.session().client("s3")
    place = {"Bucket": "loads", "Key": "tomorrow/load.sql.zst"}
    region = trying.stand_in.control.region
    store.create_bucket(Bucket=place["Bucket"], CreateBucketConfiguration={"LocationConstraint": region})
    store.put_object(**place, Body=path.read_bytes())
    load = f"s3://{place['Bucket']}/{place['Key']}"
    before, requests = trying.live(), trying.stand_in.control.requests
    mark = len(requests)
    planned = run_notebook("try_load", load=load)
    assert {str(request) for request in list(requests)[mark:]} & CHANGING == set()
    ran = run_notebook("try_load", load=load, approve=planned["plan"].id)
    result = ran["result"]
    assert (result.outcome, result.changed) == ("check-failed", ())
    assert "1 gone, 1 emptied" in result.headline
    assert differences(before, trying.live()) == ()
    assert trying.clones() == []
    for request in list(requests)[mark:]:
        if str(request) in CHANGING:
            named = {k: v for k, v in request.parameters.items() if k != "SourceDBClusterIdentifier"}
            assert trying.stand_in.cluster not in {str(value) for value in named.values()}, request
    assert ran["wrong"] == ()


CHANGING = {
    "rds:RestoreDBClusterToPointInTime", "rds:ModifyDBCluster", "rds:CreateDBInstance", "rds:DeleteDBInstance",
    "rds:DeleteDBCluster", "rds:AddTagsToResource", "glue:StartJobRun",
}  # fmt: skip


@pytest.mark.one_engine
def test_without_a_load_there_is_nothing_to_try(trying: Trying) -> None:
    mark = len(trying.stand_in.control.requests)
    ran = run_notebook("try_load")
    assert (ran["plan"], ran["result"].outcome) == (None, "planned")
    asked = {str(request) for request in list(trying.stand_in.control.requests)[mark:]}
    assert asked <= {"sts:GetCallerIdentity", "rds:DescribeDBClusters"}


@pytest.mark.thorough
def test_a_migration_says_how_long_it_took_in_which_way_and_what_waited(trying: Trying) -> None:
    tried = trying.tried(
        "ALTER TABLE houses ADD COLUMN floors INT;\nCREATE INDEX by_street ON houses (street);\n"
        "ALTER TABLE rooms MODIFY rent BIGINT;\nUPDATE rooms SET rent = rent + 1 WHERE id <= 7;\n"
    )
    assert tried.outcome is not None
    assert tried.outcome.error == ""
    assert [step.how for step in tried.outcome.steps] == ["INSTANT", "INPLACE", "copy of the whole table"]
    assert "writes waited" in tried.outcome.steps[2].locked
    assert tried.difference is not None
    rooms = next(table for table in tried.difference.tables if table.pair.expected.name == "rooms")
    assert (rooms.changed, rooms.missing) == (7, 0)
    assert damage_of(tried.difference).loses is False


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_command_is_given_the_clone_and_what_it_writes_to_production_all_the_same_is_red(trying: Trying) -> None:
    """It should say so even where a job finds production by itself, with an account that nobody gave it."""
    endpoint = trying.stand_in.data.endpoint(trying.stand_in.source_id)
    trying.admin.execute("CREATE USER IF NOT EXISTS sneak@'%%' IDENTIFIED BY 'sneak'", ())
    trying.admin.execute(f"GRANT ALL ON {LIVE}.* TO sneak@'%%'", ())
    hidden = base64.b64encode(f"{endpoint.host}:{endpoint.port}".encode()).decode()
    job = trying.folder / "job.py"
    job.write_text(
        "import base64, os, pymysql, sys\n"
        "env = os.environ\n"
        f"host, port, user, password = (env[name] for name in {VARIABLES!r})\n"
        "assert 'AWS_SECRET_ACCESS_KEY' not in env\n"
        "assert os.listdir(env['HOME']) == ['output']\n"
        "c = pymysql.connect(host=host, port=int(port), user=user, password=password, autocommit=True)\n"
        f"c.cursor().execute('UPDATE {LIVE}.rates SET rate = rate + 1')\n"
        f"c.cursor().execute('SELECT COUNT(*) FROM {LIVE}.rates')\n"
        "if len(sys.argv) > 1:\n"
        f"    host, port = base64.b64decode('{hidden}').decode().split(':')\n"
        "    c = pymysql.connect(host=host, port=int(port), user='sneak', password='sneak', autocommit=True)\n"
        f"    c.cursor().execute('UPDATE {LIVE}.rates SET rate = rate + 2')\n"
        "print('loaded')\n"
    )
    good = trying.tried(load=f"run: {sys.executable} {job}")
    assert good.outcome is not None
    assert (good.outcome.error, good.outcome.said) == ("", "loaded")
    assert good.source is not None
    assert (good.source.why_not, good.source.writes) == ("", ())
    sneaky = trying.tried(load=f"run: {sys.executable} {job} also")
    assert sneaky.source is not None
    assert [write.what for write in sneaky.source.by_the_load] == [f"{LIVE}.rates"]
    assert trying.clones() == []
    trying.admin.execute("DROP USER sneak@'%%'", ())


MODELS = {
    "dbt_project.yml": "name: job\nversion: 1.0.0\nprofile: job\nmodel-paths: [models]\n",
    "profiles.yml": (
        "job:\n  target: try\n  outputs:\n    try:\n      type: mysql\n      threads: 1\n"
        + "".join(
            f"      {name}: \"{{{{ env_var('{variable}'){cast} }}}}\"\n"
            for name, variable, cast in (
                ("server", VARIABLES[0], ""), ("port", VARIABLES[1], " | int"), ("username", VARIABLES[2], ""),
                ("password", VARIABLES[3], ""),
            )
        )
        + f"      schema: {LIVE}\n"
    ),
    "models/rates.sql": "{{ config(materialized='table') }} select 'EUR' as code, 1.0 as rate",
    "models/dear.sql": (
        "{{ config(materialized='table') }} select id, rent from {{ source('live', 'rooms') }} where rent > 70"
    ),
    "models/schema.yml": (
        f"version: 2\nsources: [{{name: live, schema: {LIVE}, tables: [{{name: rooms}}]}}]\n"
        "models: [{name: rates, columns: [{name: code, tests: [unique, not_null]}]}]\n"
    ),
}  # fmt: skip


@pytest.mark.release
@pytest.mark.one_engine
@pytest.mark.skipif(not os.environ.get("RUNBOOK_DBT"), reason="RUNBOOK_DBT names no dbt with its adapter for MySQL")
def test_a_real_dbt_build_is_tried_on_the_clone(trying: Trying, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should tell of the table that the models make anew with fewer rows, and of the one they add."""
    for name, text in MODELS.items():
        path = trying.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(trying.folder)
    before = trying.live()
    tried = trying.tried(load=f"run: {os.environ['RUNBOOK_DBT']} build --profiles-dir .")
    assert tried.outcome is not None
    assert tried.outcome.error == "", tried.outcome.said
    assert "Completed successfully" in tried.outcome.said
    assert tried.difference is not None
    found = {table.pair.expected.name: table for table in tried.difference.tables}
    assert (found["rates"].missing, found["rates"].found_rows) == (3, 1)
    assert found["dear"].verdict == "new since"
    assert differences(before, trying.live()) == ()
    assert trying.clones() == []


CHILD = """
import os, signal, sys
from runbook_lib.aws import connect
from runbook_lib.clusters import find_cluster
from runbook_lib.events import listen
from runbook_lib.guard import try_load as tries
from runbook_lib.times import utc_now

path, step = sys.argv[1], sys.argv[2]
session = connect()
plan = tries.propose_try(session, find_cluster(session), wanted=tries.Wanted(load=path), now=utc_now())
checks = tries.check_try(session, plan, identity=session.identity(), now=utc_now())
def at(name, facts=None):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
listen(at)
tries.apply_try(session, plan, checks, approve=plan.id, on_step=at)
"""
STEPS = (
    "CreateDBInstance",
    "prove the clone",
    "run the load",
    "tell the difference",
    "look at production's log",
    "delete the clone",
)


@pytest.mark.thorough
@pytest.mark.one_engine
@pytest.mark.parametrize("step", [step if step in STEPS[::2] else release(step) for step in STEPS])
def test_killed_at_a_step_the_clone_has_its_expiry_and_the_next_run_removes_it(trying: Trying, step: str) -> None:
    path = trying.folder / "load.sql"
    path.write_text(f"DELETE FROM {LIVE}.rates;\n")
    before = trying.live()
    done = subprocess.run([sys.executable, "-c", CHILD, str(path), step], env=dict(os.environ), cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = trying.clones()
    tags = {tag["Key"]: tag["Value"] for tag in left["TagList"]}
    assert tags["recovery:expires"] > f"{utc_now():%Y-%m-%d}"
    again = trying.tried(load=str(path))
    assert again.removed == (left["DBClusterIdentifier"],)
    assert (again.trouble, again.left, trying.clones()) == ((), "", [])
    assert again.outcome is not None
    assert again.outcome.error == ""
    assert differences(before, trying.live()) == ()


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_clone_of_another_try_that_has_expired_goes_first_and_one_that_has_not_stays(trying: Trying) -> None:
    _, checks = trying.plan(f"DELETE FROM {LIVE}.rates;")
    other, _ = trying.plan(f"DELETE FROM {LIVE}.notes;")
    apply(trying.stand_in.session(), other.clone, approve=other.clone.id)
    fresh, _ = trying.plan(f"DELETE FROM {LIVE}.rates;")
    assert fresh.earlier == ()
    session = trying.stand_in.session()
    late = tries.propose_try(
        session,
        trying.source(),
        wanted=tries.Wanted(load=str(trying.folder / "load.sql")),
        now=utc_now() + timedelta(days=2),
    )
    assert late is not None
    assert [clone.name for clone in late.earlier] == [other.clone.target]
    done = tries.apply_try(session, late, checks, approve=late.id)
    assert (done.removed, trying.clones()) == ((other.clone.target,), [])
