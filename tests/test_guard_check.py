"""A job that could destroy live data is named before it runs; what cannot be known is said; the harmless passes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.errors import InputRefused

HOSTILE_SQL = [
    "DROP TABLE staging.apartments",
    "drop table if exists `staging` . `apartments`",
    "DROP/* quietly */TABLE staging.apartments;",
    "/*!50000 DROP TABLE staging.apartments */",
    "/*M!100000 DROP TABLE staging.apartments */",
    "DROP SCHEMA `staging`",
    "DROP DATABASE IF EXISTS Staging",
    "DROP VIEW staging.v_rooms",
    "DROP TABLE staging__next.x, staging.apartments",
    "SELECT 1; DROP TABLE staging.apartments",
    "TRUNCATE staging.apartments",
    "TRUNCATE TABLE `staging`.apartments",
    "DELETE FROM staging.apartments",
    "DELETE QUICK FROM staging.apartments WHERE 1",
    "DELETE FROM staging.apartments WHERE 1 = 1",
    "DELETE FROM staging.apartments WHERE id = id OR id = 4",
    "DELETE FROM staging.apartments WHERE TRUE AND 'a' = 'a'",
    "DELETE FROM staging.apartments ORDER BY id LIMIT 100000",
    "DELETE a FROM staging.apartments AS a JOIN staging.rooms USING (id)",
    "DELETE FROM a USING staging.apartments a",
    "WITH old AS (SELECT 1) DELETE FROM staging.apartments",
    "UPDATE staging.apartments SET rent = 0",
    "UPDATE LOW_PRIORITY staging.apartments SET rent = (SELECT 1 FROM t WHERE id = 3)",
    "CREATE OR REPLACE TABLE staging.apartments (id int)",
    "CREATE OR REPLACE ALGORITHM = MERGE VIEW staging.v_rooms AS SELECT 1",
    "RENAME TABLE staging.apartments TO staging.old",
    "RENAME TABLE staging__next.apartments TO staging.apartments",
    "ALTER TABLE staging.apartments RENAME TO staging.old",
    "ALTER TABLE staging.apartments DROP COLUMN rent",
    "ALTER TABLE staging.apartments ADD COLUMN x int, DROP rent",
    "ALTER TABLE staging.apartments TRUNCATE PARTITION p0",
    "ALTER TABLE staging.apartments DROP PARTITION p0",
    "ALTER TABLE staging.apartments EXCHANGE PARTITION p0 WITH TABLE staging__next.x",
    "ALTER TABLE staging.apartments DISCARD TABLESPACE",
    "ALTER TABLE staging.apartments ENGINE = BLACKHOLE",
    "REPLACE INTO staging.apartments VALUES (1)",
    "LOAD DATA INFILE '/tmp/x' REPLACE INTO TABLE staging.apartments",
    "INSERT OVERWRITE TABLE staging.apartments SELECT * FROM x",
    "PREPARE s FROM 'DROP TABLE staging.apartments'",
    "SET @s = 'TRUNCATE staging.apartments'; PREPARE s FROM @s; EXECUTE s",
    "SET @s = CONCAT('DROP TABLE ', 'staging.', 'apartments'); PREPARE s FROM @s",
    "EXECUTE IMMEDIATE 'DROP TABLE staging.apartments'",
    "SET STATEMENT max_statement_time = 0 FOR DROP TABLE staging.apartments",
    "BEGIN NOT ATOMIC DROP TABLE staging.apartments; END",
    "CREATE PROCEDURE staging__next.p() DROP TABLE staging.apartments",
    "CREATE EVENT staging__next.e ON SCHEDULE EVERY 1 DAY DO TRUNCATE staging.apartments",
    "CREATE TRIGGER staging__next.t AFTER INSERT ON x FOR EACH ROW DELETE FROM staging.apartments",
    "USE staging; DROP TABLE apartments",
    "DROP TABLE apartments",
    "ANALYZE DELETE FROM staging.apartments",
    "MERGE INTO staging.apartments t USING x ON t.id = x.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
]

HOSTILE_PYTHON = [
    'cursor.execute("DROP TABLE staging.apartments")',
    'cursor.execute("dr" + "op table staging.apartments")',
    'table = "apartments"\ncursor.execute(f"TRUNCATE staging.{table}")',
    'cursor.execute(f"DROP TABLE staging.{anything}")',
    'cursor.execute("DELETE FROM %s" % "staging.apartments")',
    'cursor.execute("DROP TABLE {}.{}".format("staging", name))',
    'cursor.execute("DROP TABLE {schema}.x".format(schema="staging"))',
    'sql = "DROP TABLE "\nsql += "staging.apartments"\ncursor.execute(sql)',
    'for name in ["a", "b"]:\n    cursor.execute("DROP TABLE staging." + name)',
    'run = cursor.execute\nrun("DROP TABLE staging.apartments")',
    'getattr(cursor, "exe" + "cute")("DROP TABLE staging.apartments")',
    'helper(connection, "DROP TABLE staging.apartments")',
    'STATEMENTS = {"clean": "DROP TABLE staging.apartments"}\nrun_all(STATEMENTS)',
    'cursor.execute(" ".join(["DROP", "TABLE", "staging.apartments"]))',
    'cursor.execute("drop table staging.apartments".upper())',
    'cursor.execute("KEEP TABLE staging.apartments".replace("KEEP", "DROP"))',
    'cursor.executemany("DELETE FROM staging.apartments", [()])',
    'connection.execute(text("DELETE FROM staging.apartments"))',
    'spark.sql("INSERT OVERWRITE TABLE staging.apartments SELECT 1")',
    'frame.write.mode("overwrite").jdbc(url, "staging.apartments", properties={})',
    'frame.write.jdbc(url=url, table="staging.apartments", mode="overwrite")',
    'writer = frame.write.mode("overwrite")\nwriter.jdbc(url, "staging.apartments")',
    'frame.write.format("jdbc").option("dbtable", "staging.x").option("truncate", "true").mode("overwrite").save()',
    'frame.write.format("jdbc").options(dbtable="staging.x", truncate=True).mode("Overwrite").save()',
    'frame.write.mode(SaveMode.Overwrite).format("jdbc").option("dbtable", "staging.x").save()',
    'frame.writeTo("staging.apartments").createOrReplace()',
    'frame.to_sql("apartments", engine, schema="staging", if_exists="replace")',
    'frame.to_sql("apartments", engine, "staging", "replace")',
    'frame.to_sql("apartments", engine, if_exists="delete_rows")',
    'frame.write_database("staging.apartments", uri, if_table_exists="replace")',
    'wr.mysql.to_sql(df=frame, con=con, table="apartments", schema="staging", mode="overwrite")',
    'wr.mysql.to_sql(frame, con, "apartments", "staging", "overwrite")',
    'glue.write_dynamic_frame.from_options(f, connection_options={"preactions": "TRUNCATE staging.apartments"})',
    "os.system(\"mysql -e 'DROP DATABASE staging'\")",
    'subprocess.run(["mysql", "-e", "truncate staging.apartments"])',
    "Base.metadata.drop_all(engine)",
    'op.drop_table("apartments", schema="staging")',
    "session.query(Apartment).delete()",
    "Apartment.objects.all().delete()",
    "from sqlalchemy import delete\nconnection.execute(delete(apartments))",
    "exec(\"cursor.execute('DROP TABLE staging.apartments')\")",
    'etl.todb(table, connection, "apartments", schema="staging")',
]

UNKNOWN = [
    ("job.sql", "CALL tidy_up()"),
    ("job.sql", "SET @s = from_somewhere(); PREPARE s FROM @s"),
    ("job.sql", "FROBNICATE TABLE staging.apartments"),
    ("job.sql", "source other.sql"),
    ("job.sql", "ALTER TABLE staging.apartments MODIFY rent tinyint"),
    ("job.py", "cursor.execute(statement)"),
    ("job.py", 'cursor.execute(open("clean.sql").read())'),
    ("job.py", 'cursor.execute(f"DROP TABLE {name}")'),
    ("job.py", 'cursor.execute(f"{verb} TABLE staging.apartments")'),
    ("job.py", 'cursor.execute(base64.b64decode("RFJPUA==").decode())'),
    ("job.py", 'frame.write.mode(mode).jdbc(url, "staging.apartments")'),
    ("job.py", 'frame.to_sql("apartments", engine, schema="staging", if_exists=how)'),
    ("job.py", 'frame.to_sql("apartments", engine, **options)'),
    ("job.py", "exec(code)"),
    ("job.py", 'subprocess.run(["dbt", "build"])'),
    ("job.py", "subprocess.run(command)"),
]

HARMLESS_SQL = """
SET NAMES utf8mb4; SET FOREIGN_KEY_CHECKS = 0; SET @old = @@sql_mode;
CREATE DATABASE IF NOT EXISTS staging__next; USE staging__next;
DROP TABLE IF EXISTS apartments;
CREATE TABLE apartments (id int PRIMARY KEY, rent int, updated_at datetime ON UPDATE now());
LOCK TABLES apartments WRITE; INSERT INTO apartments VALUES (1, 'DROP TABLE staging.apartments'), (2, "; DELETE");
UNLOCK TABLES; TRUNCATE TABLE rooms; DELETE FROM apartments; UPDATE apartments SET rent = 0;
DROP TABLE staging__next.rooms; ALTER TABLE apartments DROP COLUMN rent; RENAME TABLE a TO b;
CREATE OR REPLACE VIEW v AS SELECT * FROM staging.apartments; REPLACE INTO apartments VALUES (1);
INSERT INTO staging.apartments SELECT * FROM staging__next.apartments ON DUPLICATE KEY UPDATE rent = VALUES(rent);
UPDATE staging.apartments SET rent = 1 WHERE id = 7; DELETE FROM staging.apartments WHERE id IN (1, 2) AND rent > 0;
DELETE FROM staging.apartments WHERE created_at < NOW() - INTERVAL 90 DAY LIMIT 1000;
SELECT REPLACE(name, 'DROP', ''), TRUNCATE(rent, 2) FROM staging.apartments FOR UPDATE;
CREATE TABLE staging.new_one (id int, FOREIGN KEY (id) REFERENCES staging.apartments (id) ON DELETE CASCADE);
ALTER TABLE staging.apartments ADD COLUMN floor int, ADD INDEX by_floor (floor); ANALYZE TABLE staging.apartments;
ALTER TABLE staging.apartments ALTER COLUMN rent DROP DEFAULT; DROP TEMPORARY TABLE IF EXISTS staging.t; COMMIT;
CREATE TRIGGER t BEFORE DELETE ON apartments FOR EACH ROW SET @n = @n + 1; GRANT SELECT ON staging.* TO reader;
WITH t AS (SELECT 1) SELECT * FROM t; EXPLAIN SELECT * FROM staging.apartments; SHOW TABLES; -- DROP TABLE staging.x
PREPARE s FROM 'SELECT 1'; EXECUTE s; DEALLOCATE PREPARE s; START TRANSACTION; ROLLBACK; DO SLEEP(0);
"""

HARMLESS_PYTHON = '''
"""Drop nothing: this job only adds. DELETE FROM staging.apartments stands in a text that nobody runs."""
import logging
log = logging.getLogger(__name__)
log.info("Truncate is never used; DROP TABLE staging.apartments neither")
print("DELETE FROM the list what you do not need")
if broken:
    raise ValueError("DROP TABLE staging.apartments was refused")
cursor.execute("SELECT * FROM staging.apartments WHERE id = %s", (1,))
cursor.execute("INSERT INTO staging.apartments (id) VALUES (%s)", (1,))
cursor.execute("DELETE FROM staging.apartments WHERE id = %s", (1,))
cursor.execute("UPDATE staging.apartments SET rent = %(rent)s WHERE id = %(id)s", values)
cursor.execute("DROP TABLE IF EXISTS staging__next.apartments")
frame = frame.drop("rent").dropna().drop_duplicates()
options.update(a=1); seen.clear(); del frame["x"]; rows.pop()
frame.write.mode("append").jdbc(url, "staging.apartments", properties={})
frame.write.mode("overwrite").jdbc(url, "staging__next.apartments", properties={})
frame.write.mode("overwrite").parquet("s3://bucket/staging/apartments")
frame.write.format("parquet").mode("overwrite").save("s3://bucket/x")
frame.to_sql("apartments", engine, schema="staging", if_exists="append")
frame.to_sql("apartments", engine, schema="staging__next", if_exists="replace")
frame.createOrReplaceTempView("apartments")
spark.sql("CREATE OR REPLACE TEMPORARY VIEW a AS SELECT * FROM staging.apartments")
wr.s3.to_parquet(frame, path="s3://bucket/x", dataset=True, mode="overwrite")
wr.mysql.to_sql(frame, con, table="apartments", schema="staging", mode="append")
session.query(Apartment).filter(Apartment.id == 7).delete()
s3.delete_object(Bucket="b", Key="k"); os.remove("x"); shutil.rmtree("y")
subprocess.run(["aws", "s3", "cp", "a", "b"]); os.system("gzip file")
text = "delete"; name = text.replace("a", "b"); path = "x/{}".format(name)
'''


def run(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(cli, ["guard", "check", "--json", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, json.loads(result.output)


def check(folder: Path, text: str, *, name: str, more: tuple[str, ...] = ()) -> tuple[int, list[dict[str, str]]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    code, report = run("--live", "staging", *more, str(path))
    findings = report["findings"]
    assert isinstance(findings, list)
    return code, findings


@pytest.mark.parametrize("statement", HOSTILE_SQL)
def test_a_statement_that_destroys_is_named_with_its_line(tmp_path: Path, statement: str) -> None:
    code, found = check(tmp_path, f"SELECT 1;\n\n{statement};\n", name="job.sql")
    assert (code, [finding["line"] for finding in found if finding["level"] == "destroys"][:1]) == (3, [3])


@pytest.mark.parametrize("program", HOSTILE_PYTHON)
def test_a_job_that_destroys_is_told(tmp_path: Path, program: str) -> None:
    code, found = check(tmp_path, program, name="job.py")
    assert code == 3, found


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
def test_what_cannot_be_known_is_listed_and_never_fine(tmp_path: Path, name: str, text: str) -> None:
    code, found = check(tmp_path, text, name=name)
    assert (code, {finding["level"] for finding in found}) == (0, {"unknown"})
    assert check(tmp_path, text, name=name, more=("--strict",))[0] == 3


def test_harmless_lines_pass_without_a_word(tmp_path: Path) -> None:
    assert check(tmp_path, HARMLESS_SQL, name="job.sql") == (0, [])
    assert check(tmp_path, HARMLESS_PYTHON, name="job.py") == (0, [])


def test_names_without_a_schema_mean_the_one_that_is_named(tmp_path: Path) -> None:
    drop = "DROP TABLE apartments"
    assert check(tmp_path, drop, name="job.sql", more=("--into", "staging__next"))[0] == 0
    assert check(tmp_path, drop, name="job.sql", more=("--into", "staging"))[0] == 3
    job = f'connection = pymysql.connect(host="h", database="staging__next")\nconnection.cursor().execute("{drop}")'
    assert check(tmp_path, job, name="job.py")[0] == 0
    assert check(tmp_path, job.replace("staging__next", "staging"), name="job.py")[0] == 3


def test_a_packed_dump_and_a_notebook_are_read(tmp_path: Path) -> None:
    packed = tmp_path / "dump.sql.gz"
    packed.write_bytes(gzip.compress(b"CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\nDROP TABLE staging.t;\n"))
    code, report = run("--live", "staging", str(packed))
    assert (code, [f["line"] for f in report["findings"]]) == (3, [3])  # type: ignore[attr-defined, index]
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", 'sql = "DROP TABLE staging.t"\n'], "metadata": {}},
        {"cell_type": "code", "source": ["cursor.execute(sql)"], "metadata": {}},
    ]
    code, found = check(tmp_path, json.dumps({"cells": cells}), name="job.ipynb")
    assert (code, [finding["line"] for finding in found]) == (3, [2, 3])


@pytest.mark.parametrize(
    ("name", "text"),
    [("job.py", "def broken(:"), ("job.scala", "object Job"), ("job.ipynb", "{}"), ("job.ipynb", '{"cells": 1}')],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputRefused):
        check(tmp_path, text, name=name)
    with pytest.raises(InputRefused):
        run("--live", "staging", str(tmp_path / "absent.py"))
