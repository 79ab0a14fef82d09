"""A job that could destroy live data is named before it runs; what cannot be known is said; the harmless passes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.errors import InputRefused
from runbook_lib.guard.jobs import read_job
from runbook_lib.guard.sql import Reader

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

MORE_HOSTILE_SQL = [
    "DROP TABLE staging/**/./**/apartments",
    "DROP TABLES staging.a, staging.b",
    "/*!DROP*/ /*!TABLE*/ staging.a",
    "/*!99999 DROP TABLE staging.a */",
    "DROP TABLE staging . a CASCADE",
    "DELETE FROM staging.a WHERE id IS NOT NULL",
    "DELETE FROM staging.a WHERE id > 0",
    "DELETE FROM staging.a WHERE a.id >= 0",
    "DELETE FROM staging.a WHERE id <> 0",
    "DELETE FROM staging.a WHERE id != ''",
    "DELETE FROM staging.a WHERE EXISTS (SELECT 1)",
    "DELETE FROM staging.a WHERE (SELECT 1)",
    "DELETE FROM staging.a WHERE NOT 0",
    "DELETE FROM staging.a WHERE NOT FALSE",
    "DELETE FROM staging.a WHERE !0",
    "DELETE FROM staging.a WHERE 2 > 1",
    "DELETE FROM staging.a WHERE 1 <> 2",
    "DELETE FROM staging.a WHERE 'a'",
    "DELETE FROM staging.a WHERE 1 IN (1)",
    "DELETE FROM staging.a WHERE 1 BETWEEN 0 AND 2",
    "DELETE FROM staging.a WHERE id IN (SELECT id FROM staging.a)",
    "DELETE FROM staging.a WHERE NULL IS NULL",
    "DELETE FROM staging.a WHERE id <=> id",
    "DELETE FROM staging.a WHERE id = a.id",
    "DELETE FROM staging.a WHERE COALESCE(1, 0)",
    "DELETE FROM staging.a WHERE id LIKE '%%'",
    "DELETE FROM staging.a WHERE 1 LIMIT 10",
    "DELETE FROM staging.a WHERE name LIKE '%' OR name IS NULL",
    "DELETE FROM staging.a WHERE id = 4 OR 1",
    "DELETE FROM staging.a WHERE id = 4 XOR 1 = 1",
    "DELETE FROM staging.a WHERE (id = 4) OR (TRUE)",
    "DELETE FROM staging.a WHERE NOT (id = 4 AND FALSE)",
    "DELETE FROM staging.a WHERE true = true",
    "DELETE FROM staging.a WHERE 1 AND 1",
    "DELETE FROM staging.a WHERE '1' = 1",
    "DELETE FROM staging.a WHERE 0 = 0",
    "DELETE FROM staging.a WHERE 1.0",
    "DELETE FROM staging.a WHERE -1",
    "DELETE FROM staging.a WHERE 0x1",
    "DELETE FROM staging.a WHERE b'1'",
    "DELETE FROM staging.a WHERE NOW() > '2000-01-01'",
    "DELETE FROM staging.a WHERE RAND() < 2",
    "DELETE FROM staging.a WHERE @@version",
    "DELETE FROM staging.a WHERE @x := 1",
    "DELETE FROM staging.a PARTITION (p0)",
    "DELETE a.* FROM staging.a",
    "DELETE LOW_PRIORITY QUICK IGNORE FROM staging.a",
    "DELETE FROM staging.a RETURNING *",
    "DELETE a, b FROM staging.a, staging.b WHERE a.id = b.id OR 1=1",
    "UPDATE staging.a JOIN staging.b ON 1=1 SET a.x = 0",
    "UPDATE staging.a, staging.b SET a.x = 0",
    "UPDATE IGNORE staging.a SET x = 0 ORDER BY id",
    "UPDATE staging.a SET x = 0 WHERE TRUE",
    "ALTER TABLE staging.a ENGINE=MEMORY",
    "ALTER TABLE staging.a ENGINE HEAP",
    "ALTER IGNORE TABLE staging.a ADD UNIQUE (x)",
    "ALTER TABLE staging.a DROP PRIMARY KEY",
    "ALTER TABLE staging.a ADD x int, DROP COLUMN y, ADD z int",
    "ALTER TABLE `staging`.`a` CHANGE rent rent2 INT, DROP y",
    "ALTER ONLINE TABLE staging.a DROP COLUMN y",
    "ALTER TABLE IF EXISTS staging.a DROP y",
    "ALTER TABLE staging.a WAIT 10 DROP y",
    "ALTER TABLE staging.a NOWAIT DROP COLUMN y",
    "ALTER TABLE staging.a DROP SYSTEM VERSIONING",
    "ALTER TABLE staging.a RENAME a2",
    "ALTER TABLE staging.a RENAME AS staging.b",
    "DELETE HISTORY FROM staging.a",
    "DROP TABLE IF EXISTS a, staging.b",
    "RENAME TABLES staging.a TO staging.b",
    "RENAME TABLE x.a TO staging.a",
    "TRUNCATE TABLE staging.a WAIT 3",
    "TRUNCATE LOCAL TABLE staging.a",
    "CREATE OR REPLACE VIEW staging.v AS SELECT 1",
    "CREATE OR REPLACE PROCEDURE staging.p() SELECT 1",
    "CREATE OR REPLACE DEFINER=x@y TRIGGER staging.t BEFORE INSERT ON staging.a FOR EACH ROW SET @x=1",
    "CREATE OR REPLACE SEQUENCE staging.s",
    "LOAD XML INFILE 'x' REPLACE INTO TABLE staging.a",
    "LOAD DATA FROM S3 's3://x' REPLACE INTO TABLE staging.a",
    "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE staging.a",
    "REPLACE LOW_PRIORITY staging.a VALUES (1)",
    "REPLACE staging.a SET id = 1",
    "REPLACE INTO staging.a SELECT * FROM x",
    "INSERT OVERWRITE staging.a SELECT 1",
    "INSERT INTO staging.a REPLACE WHERE id > 1 SELECT 1",
    "REPLACE TABLE staging.a USING delta AS SELECT 1",
    "BEGIN; DELETE FROM staging.a; COMMIT",
    "IF 1 THEN DROP TABLE staging.a; END IF",
    "BEGIN NOT ATOMIC IF 1 THEN DROP TABLE staging.a; END IF; END",
    "CREATE EVENT x.e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM staging.a; END",
    "CREATE PROCEDURE x.p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION DROP TABLE staging.a; SELECT 1; END",
    "CREATE FUNCTION x.f() RETURNS INT BEGIN TRUNCATE TABLE staging.a; RETURN 1; END",
    "CREATE PROCEDURE x.p() BEGIN CASE 1 WHEN 1 THEN DELETE FROM staging.a; END CASE; END",
    "CREATE PROCEDURE x.p() l: LOOP DELETE FROM staging.a; END LOOP",
    "SET @a = 'DROP TABLE ', @b = 'staging.a'; SET @c = CONCAT(@a, @b); PREPARE s FROM @c; EXECUTE s",
    'PREPARE s FROM "DELETE FROM staging.a"',
    "EXECUTE IMMEDIATE CONCAT('DROP TABLE staging', '.a')",
    "SELECT 'DROP TABLE staging.a' INTO @s; PREPARE s FROM @s",
    "SET STATEMENT sql_mode='' FOR DELETE FROM staging.a",
    'SET sql_mode=ANSI_QUOTES; DROP TABLE "staging"."a"',
    "WITH t AS (SELECT 1) DELETE a FROM staging.a",
    "WITH RECURSIVE t AS (SELECT 1) UPDATE staging.a SET x=1",
    "DROP INDEX i ON staging.a",
    "DROP TRIGGER staging.t",
    "DROP FUNCTION IF EXISTS staging.f",
    "DROP EVENT staging.e",
    "ALTER TABLE staging.a IMPORT TABLESPACE",
]

MORE_HOSTILE_PYTHON = [
    'cursor.execute("""\n-- clean\nDROP TABLE staging.a""")',
    'engine.raw_connection().cursor().execute("TRUNCATE staging.a")',
    "conn.execute(apartments.delete())",
    "conn.execute(apartments.update().values(x=1))",
    "conn.execute(sa.delete(apartments))",
    "import sqlalchemy as sa\nconn.execute(sa.update(apartments).values(x=1))",
    "Apartment.__table__.drop(engine)",
    "Apartment.objects.update(x=1)",
    "Apartment.objects.filter().delete()",
    'Apartment.objects.all()._raw_delete("default")',
    "Apartment.delete().execute()",
    "Apartment.update(x=1).execute()",
    "Apartment.drop_table()",
    "Apartment.truncate_table()",
    "db.drop_tables([A, B])",
    'op.drop_column("a", "x", schema="staging")',
    'with op.batch_alter_table("a", schema="staging") as batch:\n    batch.drop_column("x")',
    'call_command("flush", interactive=False)',
    'call_command("reset_db")',
    "schema_editor.delete_model(Apartment)",
    'db.query("drop table staging.a")',
    'con.sql("DROP TABLE m.staging.a")',
    'frame.write.save(mode="overwrite", format="jdbc", dbtable="staging.a")',
    'frame.write.insertInto("staging.a", overwrite=True)',
    'frame.write.mode("overwrite").saveAsTable("staging.a")',
    'frame.write.jdbc(url, "staging.a", "overwrite")',
    'stmt.executeUpdate("DROP TABLE staging.a")',
    'subprocess.run(["mysqladmin", "-f", "drop", "staging"])',
    'os.system("mysqladmin drop staging -f")',
    "os.system(\"mysql -Dstaging -e 'truncate apartments'\")",
    'rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)',
    'rds.delete_db_instance(DBInstanceIdentifier="prod")',
    'rds.backtrack_db_cluster(DBClusterIdentifier="prod")',
    'cursor.execute(Template("DROP TABLE $s.a").substitute(s="staging"))',
    'cursor.execute(Template("DROP TABLE ${s}.a").substitute(s="staging"))',
    'class Q:\n    DROP = "drop table a"\ncursor.execute(Q.DROP)',
    'helper(connection, "drop table apartments")',
    'def q():\n    return "drop table apartments"\ncursor.execute(q())',
    'cursor.execute(";".join(f"DROP TABLE staging.{t}" for t in tables))',
    'stmts = [f"DROP TABLE staging.{t}" for t in tables]\nfor s in stmts:\n    cursor.execute(s)',
    'list(map(lambda t: cursor.execute(f"DROP TABLE staging.{t}"), tables))',
    'run_all(f"drop table staging.{t}" for t in tables)',
    'go(lambda t: f"drop table staging.{t}")',
    'x = {"sql": f"truncate staging.{t}"}\nsend(**x)',
    'partial(cursor.execute, "drop table a")()',
    'operator.methodcaller("execute", "DROP TABLE a")(cursor)',
    'cursor.execute(*["DROP TABLE staging.a"])',
    'cursor.execute("DROP TABLE staging.a" if full else "SELECT 1")',
    'cursor.execute("{} {} staging.a".format("DROP", "TABLE"))',
    'cursor.execute("%s TABLE staging.a" % "DROP")',
    'cursor.execute("\\x44ROP TABLE staging.a")',
    'cursor.execute(b"DROP TABLE staging.a")',
    "cursor.execute(f\"{'DR'}{'OP'} TABLE staging.a\")",
    'cursor.execute("".join(["D","R","O","P"," TABLE staging.a"]))',
    'a, b = "DROP TABLE", "staging.a"\ncursor.execute(f"{a} {b}")',
    '(q := "DROP TABLE staging.a")\ncursor.execute(q)',
    'os.environ["Q"] = "DROP TABLE staging.a"',
    'self.sql = "drop table staging.a"\nself.cursor.execute(self.sql)',
    'def f(sql="drop table staging.a"):\n    cursor.execute(sql)',
    'cursor.execute("SET FOREIGN_KEY_CHECKS=0; DROP TABLE staging.a")',
    'frame.to_sql(name="a", con=engine, schema="staging", if_exists="repl" + "ace")',
    'frame.to_sql("staging.a", engine, if_exists="replace")',
    'pd.io.sql.to_sql(frame, "a", con, schema="staging", if_exists="replace")',
    'how = "replace"\nframe.to_sql("a", engine, schema="staging", if_exists=how)',
    'kw = {"if_exists": "replace"}\nframe.to_sql("a", engine, schema="staging", **kw)',
    'frame.to_sql("a", engine, schema="staging", **{"if_exists": "replace"})',
    'glueContext.write_dynamic_frame.from_options(frame=f, connection_type="mysql", connection_options={"dbtable": "staging.a", "postactions": "DROP TABLE staging.a"})',  # noqa: E501
    'opts = {"dbtable": "staging.a"}\nopts["preactions"] = "TRUNCATE TABLE staging.a"\nglueContext.write_dynamic_frame.from_options(frame=f, connection_options=opts)',  # noqa: E501
    'glueContext.write_dynamic_frame_from_options(frame=f, connection_type="mysql", connection_options={"dbtable":"staging.a","overwrite":"true"})',  # noqa: E501
    'dlt.pipeline("x").run(data, write_disposition="replace")',
    'pipeline.run(data, table_name="a", write_disposition=mode)',
    'spark.sql("TRUNCATE TABLE staging.a")',
    'spark.catalog.dropTempView("x") or spark.sql("DROP TABLE IF EXISTS staging.a PURGE")',
    'hook.run("TRUNCATE TABLE staging.a")',
    'hook.run(["DELETE FROM staging.a"])',
    'MySqlOperator(task_id="x", sql="TRUNCATE staging.a")',
    'SQLExecuteQueryOperator(task_id="x", sql=["DROP TABLE a"])',
    "BashOperator(bash_command=\"mysql -e 'DROP TABLE staging.a'\")",
    'hook.insert_rows("staging.a", rows, replace=True)',
    'session.execute(text("DELETE FROM a"))',
    'Base.metadata.tables["a"].drop(bind=engine)',
    "metadata.drop_all(bind=e, tables=[a])",
    "meta.reflect(e); meta.drop_all(e)",
]

ANY_WRITER = [
    "w = df.to_sql\nw('customers', con, schema='staging', if_exists='replace')",
    "w = functools.partial(df.to_sql, if_exists='replace')\nw('customers', con, schema='staging')",
    "w = partial(df.to_sql, con=con, if_exists='replace', schema='staging')\nfor t in tables: w(t)",
    "w = df.write\nw.mode('overwrite')\nw.jdbc(url, 'staging.customers')",
    "w = getattr(df.write, 'mode')('overwrite')\nw.jdbc(url, 'staging.customers')",
    "o = dict(if_exists='replace', schema='staging')\ndf.to_sql('customers', con, **o)",
    "S3ToMySqlOperator(mysql_table='staging.customers', mysql_duplicate_key_handling='REPLACE')",
    "loader(df, table='customers', schema='staging', mode='truncate')",
    "write(df, 'staging.customers', truncate=True)",
    "load(df, target='`staging`.`customers`', full_refresh=True)",
    "con.create_table('customers', df, database='STAGING', overwrite=True)",
    "MODE = 'over' + 'write'\nspark.write_table(df, 'staging.x', mode=MODE)",
]
"""Writers of any name: known by the words that they are given."""

UNKNOWN = [
    ("job.py", "write(df, 'staging.customers', truncate=fresh)"),
    ("job.py", "save(df, table='customers', schema='staging', mode=how)"),
    ("job.py", "def go(w):\n    w(sql)\nw = df.show\nsql = f'DROP TABLE {schema}.customers'\nw(sql)"),
    ("job.py", "write(df, table, mode='overwrite')"),
    ("job.py", "run_query(f'DROP TABLE {schema}.customers')"),
    ("job.sql", "ALTER TABLE staging.a REORGANIZE PARTITION p0 INTO (PARTITION p1 VALUES LESS THAN (1))"),
    ("job.sql", "RESTORE TABLE staging.a TO VERSION AS OF 1"),
    ("job.sql", "PURGE BINARY LOGS BEFORE NOW()"),
    ("job.sql", "RESET MASTER"),
    ("job.sql", "ALTER TABLE staging.a CONVERT TO CHARACTER SET latin1"),
    ("job.sql", "GRANT ALL ON staging.* TO loader"),
    ("job.py", 'frame.write.options(**opts).mode("overwrite").format("jdbc").save()'),
    ("job.py", 'frame.write.format("jdbc").mode("overwrite").options(url=u, dbtable=t).save()'),
    ("job.py", 'frame.write.mode(mode="overwrite").jdbc(url, "staging.a")'),
    ("job.py", 'cursor.execute(("DROP TABLE " + schema + ".a"))'),
    ("job.py", 'cursor.callproc("wipe")'),
    ("job.py", 'cursor.execute("CALL staging.wipe()")'),
    ("job.py", 'spark.sql(f"INSERT OVERWRITE {db}.a SELECT 1")'),
    ("job.py", 'MySqlOperator(task_id="x", sql="sql/wipe.sql")'),
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

HARMLESS_DUMP = r"""
-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!50503 SET NAMES utf8mb4 */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40000 DROP DATABASE IF EXISTS `staging__next`*/;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `staging__next` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;
USE `staging__next`;
DROP TABLE IF EXISTS `tenants`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `tenants` (
  `id` int NOT NULL AUTO_INCREMENT,
  `note` text COMMENT 'DROP TABLE staging.tenants; it''s a text',
  `house` int DEFAULT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `of_house` FOREIGN KEY (`house`) REFERENCES `houses` (`id`) ON DELETE CASCADE ON UPDATE SET NULL
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4;
/*!40101 SET character_set_client = @saved_cs_client */;
LOCK TABLES `tenants` WRITE;
/*!40000 ALTER TABLE `tenants` DISABLE KEYS */;
INSERT INTO `tenants` VALUES (1,'TRUNCATE staging.tenants;',2),(2,'\'); DELETE FROM staging.tenants; --',NULL);
/*!40000 ALTER TABLE `tenants` ENABLE KEYS */;
UNLOCK TABLES;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER `kept` BEFORE INSERT ON `tenants` FOR EACH ROW BEGIN
  IF NEW.note IS NULL THEN SET NEW.note = 'DROP'; END IF;
END */;;
/*!50003 CREATE PROCEDURE `tidy`(IN day DATE) BEGIN
  DELETE FROM tenants WHERE id = 0;
END */;;
DELIMITER ;
DROP TABLE IF EXISTS `cheap`;
/*!50001 DROP VIEW IF EXISTS `cheap`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED VIEW `cheap` AS select `tenants`.`id` AS `id` from `tenants` */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
-- Dump completed on 2026-02-04 10:00:00
"""

HARMLESS_GLUE = """
import sys
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from pyspark.sql import functions as F

args = getResolvedOptions(sys.argv, ["JOB_NAME", "day"])
glue = GlueContext(SparkContext.getOrCreate())
spark = glue.spark_session
job = Job(glue)
job.init(args["JOB_NAME"], args)
rooms = glue.create_dynamic_frame.from_catalog(database="raw", table_name="rooms").toDF()
houses = spark.read.option("header", True).csv("s3://bucket/houses")
live = spark.read.format("jdbc").option("url", url).option("dbtable", "staging.rooms").load()
old = spark.read.jdbc(url, "(SELECT id FROM staging.rooms WHERE rent IS NULL) AS q", properties=secret)
rooms = rooms.withColumn("rent", F.col("rent").cast("int")).filter(F.col("rent") > 0).drop("raw")
rooms = rooms.join(houses, "house_id", "left").dropDuplicates(["id"]).na.drop(subset=["id"]).fillna({"note": ""})
rooms.createOrReplaceTempView("rooms")
spark.sql("CREATE OR REPLACE TEMP VIEW dear AS SELECT * FROM rooms WHERE rent > 100")
spark.sql("SELECT COUNT(*) FROM dear").show()
rooms.write.mode("append").format("jdbc").option("url", url).option("dbtable", "staging.rooms").save()
rooms.write.format("jdbc").options(url=url, dbtable="staging__next.rooms").mode("overwrite").save()
rooms.write.partitionBy("day").mode("overwrite").parquet("s3://bucket/rooms")
glue.write_dynamic_frame.from_options(
    frame=frame, connection_type="mysql", connection_options={"url": url, "dbtable": "staging.rooms"}
)
glue.purge_s3_path("s3://bucket/tmp", options={"retentionPeriod": 1})
spark.catalog.dropTempView("rooms")
spark.catalog.clearCache()
rooms.unpersist()
job.commit()
"""

HARMLESS_LOADER = """
import csv
import pandas as pd
import pymysql
from sqlalchemy import create_engine, text

WANTED = ("id", "rent", "note")
engine = create_engine("mysql+pymysql://loader@h/staging__next")
frame = pd.read_csv("rooms.csv", usecols=WANTED).rename(columns={"rent": "price"}).drop(columns=["note"])
frame["note"] = frame["note"].str.replace("DROP", "", regex=False)
frame = frame[~frame["id"].isin(deleted)].reset_index(drop=True)
frame.to_csv("out.csv", mode="w")
frame.to_sql("rooms", engine, index=False, if_exists="append", chunksize=1000)
frame.to_sql("rooms", engine, index=False)
with engine.begin() as connection:
    connection.execute(text("INSERT INTO rooms SELECT * FROM incoming ON DUPLICATE KEY UPDATE rent = VALUES(rent)"))
    count = connection.execute(text("SELECT COUNT(*) FROM staging.rooms")).scalar()
    connection.execute(text("DELETE FROM staging.rooms WHERE id = :id"), {"id": 7})
connection = pymysql.connect(host="h", user="loader", database="staging__next", autocommit=False)
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS rooms LIKE staging.rooms")
    cursor.execute("LOAD DATA LOCAL INFILE 'rooms.csv' INTO TABLE rooms FIELDS TERMINATED BY ','")
    cursor.executemany("INSERT INTO rooms (id, rent) VALUES (%s, %s)", [tuple(row) for row in csv.reader(lines)])
    cursor.execute("UPDATE staging.rooms SET rent = %s WHERE id = %s", (1, 2))
    cursor.execute("SHOW TABLES")
    names = [name for (name,) in cursor.fetchall() if not name.startswith("drop_")]
    cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'staging'")
connection.commit()
connection.close()
seen = set(); seen.discard(1); queue = list(names); queue.remove("a") if "a" in queue else None
Path("done").unlink(missing_ok=True)
logging.warning("nothing was deleted from %s; TRUNCATE is for others", "staging")
"""

HARMLESS_WHERE = [
    "DELETE FROM staging.a WHERE id = 4",
    "DELETE FROM staging.a WHERE id IN (1,2) AND rent > 0",
    "DELETE FROM staging.a WHERE created_at < NOW() - INTERVAL 90 DAY LIMIT 1000",
    "DELETE FROM staging.a WHERE DATE(created_at) = CURDATE()",
    "DELETE FROM staging.a WHERE deleted_at IS NOT NULL",
    "DELETE FROM staging.a WHERE deleted",
    "DELETE FROM staging.a WHERE NOT active",
    "DELETE FROM staging.a WHERE status NOT IN ('x', 'y')",
    "DELETE FROM staging.a WHERE id BETWEEN 4 AND 9",
    "DELETE FROM staging.a WHERE day = '2026-01-01' OR (day = '2026-01-02' AND kind = 'x')",
    "DELETE FROM staging.a WHERE id IN (SELECT id FROM staging__next.a)",
    "DELETE FROM staging.a WHERE EXISTS (SELECT 1 FROM staging__next.b WHERE b.id = a.id)",
    "DELETE FROM staging.a WHERE NOT EXISTS (SELECT 1 FROM staging__next.b WHERE b.id = a.id)",
    "DELETE a FROM staging.a a JOIN staging__next.b b ON a.id = b.id WHERE a.id = b.id",
    "DELETE FROM staging.a WHERE (tenant, day) = (4, '2026-01-01')",
    "DELETE FROM staging.a WHERE name LIKE 'x%'",
    "DELETE FROM staging.a WHERE id = %s",
    "DELETE FROM staging.a WHERE id = ? AND day = ?",
    "DELETE FROM staging.a WHERE id = :id",
    "DELETE FROM staging.a WHERE load_id <> 7",
    "DELETE FROM staging.a WHERE load_id = @load",
    "DELETE FROM staging.a WHERE id > 1000000",
    "DELETE FROM staging.a WHERE JSON_EXTRACT(x, '$.a') = 1",
    "DELETE FROM staging.a WHERE `key` = 'x'",
    "DELETE FROM staging.a WHERE rent IS NULL",
    "UPDATE staging.a SET rent = 1 WHERE id = 7",
    "UPDATE staging.a SET rent = 1 WHERE (id = 7)",
    "UPDATE staging.a JOIN staging__next.b USING (id) SET a.x = b.x WHERE a.x <> b.x",
    "UPDATE staging.a SET x = 1 WHERE date = '2026-01-01'",
    "GRANT SELECT, SHOW VIEW ON staging.* TO x",
    "GRANT ALL ON staging__next.* TO x",
    "SELECT 1 INTO @x; SET @a = 1, @b = 2",
    "ALTER TABLE staging.a ADD UNIQUE (x), ALGORITHM=INPLACE",
    "ALTER TABLE staging.a ADD COLUMN (x INT, y INT), ADD INDEX (x)",
    "ALTER TABLE staging.a ENGINE=InnoDB",
    "ALTER TABLE staging.a ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES staging.b (id) ON DELETE CASCADE",
    "ALTER TABLE staging.a COMMENT = 'DROP TABLE staging.a', ADD COLUMN y INT AFTER x",
    "CREATE INDEX i ON staging.a (x)",
    "CREATE TABLE IF NOT EXISTS staging.c LIKE staging.a",
    "CREATE TEMPORARY TABLE t AS SELECT * FROM staging.a",
    "INSERT IGNORE INTO staging.a (id, x) SELECT id, x FROM staging__next.a",
    "LOAD DATA LOCAL INFILE 'a.csv' INTO TABLE staging.a FIELDS TERMINATED BY ',' (id, x)",
    "UPDATE staging.a SET x = x + 1 WHERE id IN (SELECT id FROM staging__next.a)",
    "TRUNCATE staging__next.a; DROP TABLE IF EXISTS staging__next.b; DROP DATABASE staging__next",
    "SELECT id INTO OUTFILE '/tmp/a.csv' FROM staging.a",
    "CHECK TABLE staging.a; OPTIMIZE TABLE staging.a; CHECKSUM TABLE staging.a",
    "SAVEPOINT s; ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s",
    "SET @n = (SELECT COUNT(*) FROM staging.a)",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SELECT DATABASE(), VERSION()",
    "HANDLER staging.a OPEN",
    "CREATE USER loader IDENTIFIED BY 'x'",
    "SHOW CREATE TABLE staging.a",
    "DESCRIBE staging.a",
]

HARMLESS_PYTHON = '''
download("https://example.com/staging.zip", "/tmp/x", overwrite=True)
write(df, "staging__next.customers", truncate=True)
archive.extract("staging.txt", overwrite=True)
cache.set("staging", 1, overwrite=True)
spark.table("staging.customers").show(20, truncate=True)
settings = dict(mode="overwrite", path="/data")
wr.s3.to_parquet(df, path="s3://bucket/staging/", dataset=True, mode="overwrite")
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


def test_more_spellings_are_named(tmp_path: Path) -> None:
    """It should hold each by itself; one file and one look a kind keep it cheap."""
    live = frozenset({"staging"})
    missed = [
        text
        for text in MORE_HOSTILE_SQL
        if not any(found.level == "destroys" for found in Reader(live=live).read(text.encode()))
    ]
    missed += [
        text
        for text in (*MORE_HOSTILE_PYTHON, *ANY_WRITER)
        if not any(found.level == "destroys" for found in read_job(text, name="job.py", live=live))
    ]
    assert missed == []
    assert [text for text in HARMLESS_WHERE if Reader(live=live).read(text.encode())] == []


@pytest.mark.parametrize(
    "line", ["%%bash", "%run wipe.py", "!mysql < x", "x = !ls", "%sql DROP TABLE a", "%%writefile x"]
)
def test_a_notebooks_own_commands_are_held_but_for_those_that_are_listed(tmp_path: Path, line: str) -> None:
    cells = [{"cell_type": "code", "source": [f"{line}\n", "x = 1"], "metadata": {}}]
    with pytest.raises(InputRefused, match="commands of the notebook"):
        check(tmp_path, json.dumps({"cells": cells}), name="job.ipynb")


def test_what_a_notebook_times_is_read(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": ["%time cursor.execute('DROP TABLE staging.t')"], "metadata": {}}]
    assert check(tmp_path, json.dumps({"cells": cells}), name="job.ipynb")[0] == 3


def test_harmless_lines_pass_without_a_word(tmp_path: Path) -> None:
    jobs = {"job.sql": HARMLESS_SQL, "job.py": HARMLESS_PYTHON, "dump.sql": HARMLESS_DUMP, "glue.py": HARMLESS_GLUE,
            "loader.py": HARMLESS_LOADER}  # fmt: skip
    for name, text in jobs.items():
        assert check(tmp_path, text, name=name) == (0, []), name
    # What is asked for is 200 harmless lines and 40 hostile spellings; a line of SQL here often holds several.
    assert sum(bool(line.strip()) for text in (*jobs.values(), *HARMLESS_WHERE) for line in text.splitlines()) >= 200
    hostile = {*HOSTILE_SQL, *HOSTILE_PYTHON, *MORE_HOSTILE_SQL, *MORE_HOSTILE_PYTHON}
    assert (len(hostile), len(UNKNOWN)) >= (240, 30)


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
    [
        ("job.py", "def broken(:"),
        ("job.scala", "object Job"),
        ("job.ipynb", "{}"),
        ("job.ipynb", '{"cells": 1}'),
        ("job.sql", "{{ config(schema='staging') }} select 1"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputRefused):
        check(tmp_path, text, name=name)
    with pytest.raises(InputRefused):
        run("--live", "staging", str(tmp_path / "absent.py"))
