"""Five small databases in the shape of the samples that people learn on, and eleven kinds of damage to each.

Films for rent, staff and their pay, music, scale models, countries: what their definitions use is what real schemas
use, in our own words and rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runbook_lib.mysql import Database, quoted

_DIGITS = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)"
NUMBERS = f"(SELECT a.n + 5 * b.n + 25 * c.n + 1 AS n FROM {_DIGITS} a, {_DIGITS} b, {_DIGITS} c)"  # 1 to 125

FILMS = f"""
CREATE TABLE film (film_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(128) NOT NULL, about TEXT,
 made YEAR, rate DECIMAL(4,2) NOT NULL DEFAULT 4.99, rating ENUM('all','teens','adults') DEFAULT 'all',
 extras SET('trailers','comments','cuts'), changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE
 CURRENT_TIMESTAMP, KEY by_title (title), FULLTEXT KEY said (title, about)) ENGINE=InnoDB
;;
CREATE TABLE film_text (film_id SMALLINT UNSIGNED PRIMARY KEY, title VARCHAR(255) NOT NULL, about TEXT,
 FULLTEXT KEY both_of (title, about)) ENGINE=InnoDB
;;
CREATE TRIGGER film_added AFTER INSERT ON film FOR EACH ROW INSERT INTO film_text VALUES (NEW.film_id, NEW.title,
 NEW.about)
;;
CREATE TRIGGER film_changed AFTER UPDATE ON film FOR EACH ROW BEGIN IF OLD.title <> NEW.title OR OLD.film_id <>
 NEW.film_id THEN UPDATE film_text SET title = NEW.title, film_id = NEW.film_id WHERE film_id = OLD.film_id; END IF;
 END
;;
CREATE TABLE address (id INT PRIMARY KEY, street VARCHAR(50), place GEOMETRY NOT NULL, SPATIAL KEY (place))
;;
CREATE TABLE store (id TINYINT UNSIGNED PRIMARY KEY, manager TINYINT UNSIGNED NOT NULL, address INT NOT NULL, UNIQUE
 KEY one_manager (manager), CONSTRAINT store_address FOREIGN KEY (address) REFERENCES address (id) ON UPDATE CASCADE)
;;
CREATE TABLE staff (id TINYINT UNSIGNED PRIMARY KEY, name VARCHAR(45), picture BLOB, store TINYINT UNSIGNED NOT NULL,
 password VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, CONSTRAINT staff_store FOREIGN KEY (store)
 REFERENCES store (id) ON UPDATE CASCADE)
;;
CREATE TABLE inventory (id MEDIUMINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, film SMALLINT UNSIGNED NOT NULL, store
 TINYINT UNSIGNED NOT NULL, CONSTRAINT held_film FOREIGN KEY (film) REFERENCES film (film_id) ON DELETE RESTRICT,
 CONSTRAINT held_in FOREIGN KEY (store) REFERENCES store (id))
;;
CREATE TABLE rental (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME NOT NULL, inventory MEDIUMINT UNSIGNED NOT NULL,
 returned DATETIME(3), paid DECIMAL(5,2), UNIQUE KEY once (at, inventory), CONSTRAINT rented FOREIGN KEY (inventory)
 REFERENCES inventory (id) ON DELETE CASCADE)
;;
INSERT INTO film (title, about, made, rating, extras, changed) SELECT CONCAT('Film ', n, ' of it''s'),
 REPEAT('an epic ', n % 9), 1980 + n % 40, 1 + n % 3, n % 8, '2026-01-01 03:00:00' FROM {NUMBERS} q
;;
INSERT INTO address SELECT n, CONCAT(n, ' street'), ST_GeomFromText(CONCAT('POINT(', n, ' ', n / 7, ')')) FROM
 {NUMBERS} q
;;
SET foreign_key_checks = 0
;;
INSERT INTO store VALUES (1, 1, 1), (2, 2, 2)
;;
INSERT INTO staff VALUES (1, 'Mia', 0x89504E470D0A1A0A00FF, 1, 'x'), (2, 'Jón', NULL, 2, NULL)
;;
SET foreign_key_checks = 1
;;
ALTER TABLE store ADD CONSTRAINT managed FOREIGN KEY (manager) REFERENCES staff (id) ON UPDATE CASCADE
;;
INSERT INTO inventory (film, store) SELECT n, 1 + n % 2 FROM {NUMBERS} q
;;
INSERT INTO rental (at, inventory, returned, paid) SELECT '2025-05-05' + INTERVAL n HOUR, n, IF(n % 4, '2025-06-01
 00:00:00.125', NULL), n / 8 FROM {NUMBERS} q
;;
CREATE SQL SECURITY INVOKER VIEW by_rating AS SELECT rating, COUNT(*) AS films, GROUP_CONCAT(title ORDER BY title) AS
 all_of FROM film GROUP BY rating
;;
CREATE VIEW sales AS SELECT s.id AS store, SUM(r.paid) AS total FROM rental r JOIN inventory i ON r.inventory = i.id
 JOIN store s ON i.store = s.id GROUP BY s.id
;;
CREATE FUNCTION in_stock(wanted INT) RETURNS BOOLEAN READS SQL DATA RETURN NOT EXISTS (SELECT 1 FROM rental WHERE
 inventory = wanted AND returned IS NULL)
;;
CREATE PROCEDURE rewards(IN least INT, OUT many INT) READS SQL DATA COMMENT 'who rents; often' BEGIN SELECT COUNT(*)
 INTO many FROM rental WHERE paid > least; END
"""
STAFF = f"""
CREATE TABLE employees (emp_no INT PRIMARY KEY, born DATE NOT NULL, first_name VARCHAR(14) NOT NULL, gender
 ENUM('M','F','X'), hired DATE NOT NULL, full_name VARCHAR(40) GENERATED ALWAYS AS (CONCAT(first_name, '!')) STORED,
 KEY hired_at (hired DESC))
;;
CREATE TABLE departments (dept_no CHAR(4) PRIMARY KEY, dept_name VARCHAR(40) NOT NULL UNIQUE)
;;
CREATE TABLE dept_emp (emp_no INT NOT NULL, dept_no CHAR(4) NOT NULL, since DATE NOT NULL, until DATE NOT NULL,
 PRIMARY KEY (emp_no, dept_no), KEY (dept_no), FOREIGN KEY (emp_no) REFERENCES employees (emp_no) ON DELETE CASCADE,
 FOREIGN KEY (dept_no) REFERENCES departments (dept_no) ON DELETE CASCADE)
;;
CREATE TABLE salaries (emp_no INT NOT NULL, salary INT NOT NULL, since DATE NOT NULL, until DATE NOT NULL, PRIMARY
 KEY (emp_no, since)) PARTITION BY RANGE (YEAR(since)) (PARTITION old VALUES LESS THAN (2000), PARTITION mid VALUES
 LESS THAN (2020), PARTITION rest VALUES LESS THAN MAXVALUE)
;;
CREATE TABLE titles (emp_no INT NOT NULL, title VARCHAR(50) NOT NULL, since DATE NOT NULL, until DATE) PARTITION BY
 HASH (emp_no) PARTITIONS 3
;;
INSERT INTO employees (emp_no, born, first_name, gender, hired) SELECT 10000 + n, '1970-01-01' + INTERVAL n WEEK,
 CONCAT('Name ', n), 1 + n % 3, '1999-12-28' + INTERVAL n DAY FROM {NUMBERS} q
;;
INSERT INTO departments VALUES ('d001', 'Sales'), ('d002', 'Büro'), ('d003', 'Research')
;;
INSERT INTO dept_emp SELECT 10000 + n, CONCAT('d00', 1 + n % 3), '2000-01-01', '9999-01-01' FROM {NUMBERS} q
;;
INSERT INTO salaries SELECT 10000 + n, 1000 * n, '1998-01-01' + INTERVAL n * 90 DAY, '9999-01-01' FROM {NUMBERS} q
;;
INSERT INTO titles SELECT 10000 + n % 40, 'Engineer', '1998-01-01', NULL FROM {NUMBERS} q
;;
CREATE VIEW newest AS SELECT emp_no, MAX(since) AS since, MAX(until) AS until FROM dept_emp GROUP BY emp_no
;;
CREATE VIEW present AS SELECT d.emp_no, d.dept_no FROM dept_emp d INNER JOIN newest n ON n.emp_no = d.emp_no AND
 n.since = d.since AND n.until = d.until
;;
CREATE FUNCTION dept_of(wanted INT) RETURNS CHAR(4) READS SQL DATA BEGIN DECLARE found CHAR(4); SELECT dept_no INTO
 found FROM present WHERE emp_no = wanted LIMIT 1; RETURN found; END
;;
CREATE TRIGGER paid_once BEFORE INSERT ON salaries FOR EACH ROW SET NEW.salary = GREATEST(NEW.salary, 0)
;;
CREATE EVENT raises ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01 00:00:00' DISABLE DO UPDATE salaries SET salary =
 salary + 1
"""
MUSIC = f"""
CREATE TABLE `Artist` (`ArtistId` INT NOT NULL, `Name` NVARCHAR(120), CONSTRAINT `PK_Artist` PRIMARY KEY (`ArtistId`))
;;
CREATE TABLE `Album` (`AlbumId` INT PRIMARY KEY, `Title` NVARCHAR(160) NOT NULL, `ArtistId` INT NOT NULL)
;;
ALTER TABLE `Album` ADD CONSTRAINT `FK_AlbumArtistId` FOREIGN KEY (`ArtistId`) REFERENCES `Artist` (`ArtistId`) ON
 DELETE NO ACTION ON UPDATE NO ACTION
;;
CREATE TABLE `Track` (`TrackId` BIGINT PRIMARY KEY, `Name` NVARCHAR(200) NOT NULL, `AlbumId` INT, `Milliseconds` INT
 NOT NULL, `UnitPrice` NUMERIC(10,2) NOT NULL, `Bytes` BIGINT UNSIGNED, `loud` FLOAT, `exact` DOUBLE, CONSTRAINT
 `FK_Track` FOREIGN KEY (`AlbumId`) REFERENCES `Album` (`AlbumId`) ON DELETE CASCADE)
;;
CREATE TABLE `Playlist Track` (`PlaylistId` INT NOT NULL, `TrackId` BIGINT NOT NULL, CONSTRAINT `PK_PT` PRIMARY KEY
 (`PlaylistId`, `TrackId`), CONSTRAINT `FK_PT` FOREIGN KEY (`TrackId`) REFERENCES `Track` (`TrackId`) ON DELETE
 CASCADE)
;;
CREATE TABLE `Employee` (`EmployeeId` INT PRIMARY KEY, `Name` NVARCHAR(20), `ReportsTo` INT, CONSTRAINT
 `FK_ReportsTo` FOREIGN KEY (`ReportsTo`) REFERENCES `Employee` (`EmployeeId`))
;;
INSERT INTO `Artist` SELECT n, CONCAT(N'Björk & søn ', n, ' 音楽') FROM {NUMBERS} q
;;
INSERT INTO `Album` SELECT n, CONCAT('"', n, '" \\\\ it''s'), n FROM {NUMBERS} q
;;
INSERT INTO `Track` SELECT n, CONCAT('Track ', n), n, n * 1000, 0.99, 18446744073709551000 + n, n / 3, n / 7 FROM
 {NUMBERS} q
;;
INSERT INTO `Playlist Track` SELECT n % 7, n FROM {NUMBERS} q
;;
INSERT INTO `Employee` VALUES (1, 'Head', NULL), (2, 'Hand', 1), (3, 'Finger', 2)
;;
CREATE VIEW `Long Tracks` AS SELECT `t`.`Name` AS `Name of it`, `a`.`Title` FROM `Track` `t` JOIN `Album` `a` USING
 (`AlbumId`) WHERE `t`.`Milliseconds` > 50000
;;
CREATE TRIGGER `No Short` BEFORE UPDATE ON `Track` FOR EACH ROW BEGIN IF NEW.`Milliseconds` < 0 THEN SIGNAL SQLSTATE
 '45000' SET MESSAGE_TEXT = 'too short'; END IF; END
;;
CREATE PROCEDURE `Count Of`(IN `what` NVARCHAR(20)) SELECT COUNT(*) FROM `Artist` WHERE `Name` LIKE `what`
"""
MODELS = f"""
CREATE TABLE productlines (line VARCHAR(50) PRIMARY KEY, text_of VARCHAR(4000), html MEDIUMTEXT, image MEDIUMBLOB)
 DEFAULT CHARSET=latin1
;;
CREATE TABLE products (code VARCHAR(15) PRIMARY KEY, name VARCHAR(70) NOT NULL, line VARCHAR(50) NOT NULL, about TEXT
 NOT NULL, stock SMALLINT NOT NULL, price DECIMAL(10,2) NOT NULL, KEY line_of (line), CONSTRAINT products_1 FOREIGN
 KEY (line) REFERENCES productlines (line)) DEFAULT CHARSET=latin1
;;
CREATE TABLE customers (number INT PRIMARY KEY, name VARCHAR(50) NOT NULL, credit DECIMAL(10,2), hidden INT INVISIBLE
 DEFAULT 7, CONSTRAINT solvent CHECK (credit >= 0))
;;
CREATE TABLE orders (number INT AUTO_INCREMENT PRIMARY KEY, ordered DATE NOT NULL, status VARCHAR(15) NOT NULL,
 comments TEXT, customer INT NOT NULL, CONSTRAINT orders_1 FOREIGN KEY (customer) REFERENCES customers (number) ON
 DELETE CASCADE) AUTO_INCREMENT=10100
;;
CREATE TABLE orderdetails (number INT NOT NULL, code VARCHAR(15) CHARACTER SET latin1 NOT NULL, amount INT NOT NULL,
 each_price DECIMAL(10,2) NOT NULL, line_price DECIMAL(20,2) AS (amount * each_price) VIRTUAL, PRIMARY KEY (number,
 code), CONSTRAINT of_order FOREIGN KEY (number) REFERENCES orders (number) ON DELETE CASCADE, CONSTRAINT of_product
 FOREIGN KEY (code) REFERENCES products (code))
;;
CREATE TABLE notes (at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), what VARCHAR(100), flag BIT(1) DEFAULT
 b'0')
;;
INSERT INTO productlines VALUES ('Cars', 'Große Autos', NULL, NULL), ('Ships', '', '<b>&amp;</b>', 0x00FF27225C0A1A)
;;
INSERT INTO products SELECT CONCAT('S', n), CONCAT('Modèle ', n), IF(n % 2, 'Cars', 'Ships'), '', n, n / 4 FROM
 {NUMBERS} q
;;
INSERT INTO customers (number, name, credit, hidden) SELECT n, CONCAT('Atelier ', n), IF(n % 5, n, NULL), n * 2 FROM
 {NUMBERS} q
;;
INSERT INTO orders (ordered, status, customer) SELECT '2004-02-29' + INTERVAL n DAY, 'Shipped', n FROM {NUMBERS} q
;;
INSERT INTO orderdetails (number, code, amount, each_price) SELECT 10099 + n, CONCAT('S', n), n, 9.99 FROM {NUMBERS} q
;;
INSERT INTO notes SELECT '2026-01-01 00:00:00' + INTERVAL n MICROSECOND, IF(n % 3, CONCAT('n', n % 5), NULL), n % 2
 FROM {NUMBERS} q
;;
CREATE VIEW open_orders AS SELECT number, customer FROM orders WHERE status <> 'Shipped' WITH LOCAL CHECK OPTION
;;
CREATE TRIGGER noted AFTER DELETE ON products FOR EACH ROW INSERT INTO notes (what) VALUES (OLD.code)
;;
CREATE PROCEDURE total_of(IN wanted INT, OUT total DECIMAL(20,2)) BEGIN SELECT SUM(line_price) INTO total FROM
 orderdetails WHERE number = wanted; END
"""
WORLD = f"""
CREATE TABLE city (id INT AUTO_INCREMENT PRIMARY KEY, name CHAR(35) NOT NULL DEFAULT '', country CHAR(4) NOT NULL
 DEFAULT '', info JSON, people INT GENERATED ALWAYS AS (JSON_EXTRACT(info, '$.people')) VIRTUAL, KEY by_people
 (people), KEY (country))
;;
CREATE TABLE country (code CHAR(4) NOT NULL DEFAULT '' PRIMARY KEY, name CHAR(52) NOT NULL, continent
 ENUM('Asia','Europe','Other'), area DECIMAL(10,2) NOT NULL DEFAULT '0.00', since SMALLINT, life DECIMAL(3,1),
 capital INT, code2 CHAR(2) NOT NULL DEFAULT '')
;;
CREATE TABLE language (country CHAR(4) NOT NULL, language CHAR(30) NOT NULL, official ENUM('T','F') NOT NULL DEFAULT
 'F', share DECIMAL(4,1) NOT NULL DEFAULT '0.0', PRIMARY KEY (country, language), CONSTRAINT spoken FOREIGN KEY
 (country) REFERENCES country (code) ON DELETE CASCADE)
;;
CREATE TABLE papers (doc JSON, _id VARCHAR(32) GENERATED ALWAYS AS (JSON_UNQUOTE(JSON_EXTRACT(doc, '$._id'))) STORED,
 UNIQUE KEY (_id)) DEFAULT CHARSET=utf8mb4
;;
CREATE TABLE flags (code CHAR(4) COLLATE utf8mb4_bin, raw VARBINARY(64), tiny TINYINT(1), t TIME(2), UNIQUE KEY
 (code)) ENGINE=MyISAM
;;
INSERT INTO country SELECT CONCAT('C', n), CONCAT('Country ', n), 1 + n % 3, n * 1.5, -n, n / 2, NULL, '' FROM
 {NUMBERS} q
;;
INSERT INTO city (name, country, info) SELECT CONCAT('Città ', n), CONCAT('C', n), CONCAT('{{"people": ', n * 1000,
 '}}') FROM {NUMBERS} q
;;
UPDATE country SET capital = SUBSTR(code, 2)
;;
ALTER TABLE city ADD CONSTRAINT of_country FOREIGN KEY (country) REFERENCES country (code) ON DELETE CASCADE
;;
ALTER TABLE country ADD CONSTRAINT has_capital FOREIGN KEY (capital) REFERENCES city (id) ON DELETE SET NULL
;;
INSERT INTO language SELECT CONCAT('C', n), 'Language', 1 + n % 2, n / 2 FROM {NUMBERS} q
;;
INSERT INTO papers (doc) SELECT CONCAT('{{"_id": "', n, '", "a": [1, null, "x\\\\n", {{"b": 1.50}}]}}') FROM
 {NUMBERS} q
;;
INSERT INTO flags SELECT CONCAT('C', n), UNHEX(HEX(n * 77777)), n % 2, '-838:59:58.25' FROM {NUMBERS} q
;;
CREATE VIEW capitals AS SELECT c.name AS country, t.name AS capital, t.people FROM country c LEFT JOIN city t ON t.id
 = c.capital
;;
CREATE TRIGGER kept_tidy BEFORE INSERT ON language FOR EACH ROW SET NEW.language = TRIM(NEW.language)
;;
CREATE FUNCTION named(wanted CHAR(4)) RETURNS CHAR(52) READS SQL DATA RETURN (SELECT name FROM country WHERE code =
 wanted)
"""


@dataclass(frozen=True)
class Sample:
    """One database: its statements, and the names that damage takes. `wide` has a column `column` that can go."""

    schema: str
    made: str
    parent: str  # what others point at
    child: str
    alone: str  # nothing points at it
    update: str
    view: str
    routine: str
    trigger: str
    index: str
    column: str
    partition: str = ""
    renamed: dict[str, str] = field(default_factory=dict)


SAMPLES = (
    Sample("films", FILMS, "film", "rental", "film_text", "UPDATE rental SET paid = 0", "sales", "FUNCTION in_stock",
           "film_changed", "ALTER TABLE film DROP KEY by_title", "ALTER TABLE film DROP COLUMN rate"),
    Sample("staff", STAFF, "employees", "dept_emp", "salaries", "UPDATE employees SET first_name = 'x'", "newest",
           "FUNCTION dept_of", "paid_once", "ALTER TABLE employees DROP KEY hired_at",
           "ALTER TABLE salaries DROP COLUMN until", "ALTER TABLE salaries TRUNCATE PARTITION mid"),
    Sample("Music", MUSIC, "Album", "Playlist Track", "Employee", "UPDATE `Track` SET `UnitPrice` = `UnitPrice` * 10",
           "Long Tracks", "PROCEDURE `Count Of`", "No Short", "ALTER TABLE `Playlist Track` DROP FOREIGN KEY `FK_PT`",
           "ALTER TABLE `Track` DROP COLUMN `exact`"),
    Sample("models", MODELS, "orders", "orderdetails", "notes", "UPDATE customers SET hidden = NULL", "open_orders",
           "PROCEDURE total_of", "noted", "ALTER TABLE products DROP KEY line_of, DROP FOREIGN KEY products_1",
           "ALTER TABLE customers DROP COLUMN hidden"),
    Sample("world", WORLD, "country", "language", "flags", "UPDATE city SET info = NULL", "capitals", "FUNCTION named",
           "kept_tidy", "ALTER TABLE city DROP KEY by_people", "ALTER TABLE country DROP COLUMN life"),
)  # fmt: skip
KINDS = (
    "truncated", "every row deleted", "parents deleted", "dropped", "made again empty", "mass update", "column dropped",
    "renamed away", "view and routine dropped", "trigger and key dropped", "schema dropped",
)  # fmt: skip


def damage(sample: Sample, kind: str) -> Iterator[str]:
    """Yield the statements of one kind of damage to one database, which is the chosen schema."""
    child, alone, parent = quoted(sample.child), quoted(sample.alone), quoted(sample.parent)
    yield "SET foreign_key_checks = 0"
    if kind == "truncated":
        yield sample.partition or f"TRUNCATE {child}"
    elif kind == "every row deleted":
        yield f"DELETE FROM {alone}"
    elif kind == "parents deleted":
        yield "SET foreign_key_checks = 1" if sample.schema not in ("films", "world") else "SELECT 1"
        yield f"DELETE FROM {parent} LIMIT 60"
    elif kind == "dropped":
        yield f"DROP TABLE {child}"
    elif kind == "made again empty":
        yield f"DROP TABLE {alone}"
        yield f"CREATE TABLE {alone} (n INT PRIMARY KEY, other VARCHAR(9))"
        yield f"INSERT INTO {alone} VALUES (1, 'written')"
    elif kind == "mass update":
        yield sample.update
    elif kind == "column dropped":
        yield sample.column
    elif kind == "renamed away":
        yield "DROP TABLE IF EXISTS was_renamed"  # of a round before
        yield f"RENAME TABLE {child} TO was_renamed"
    elif kind == "view and routine dropped":
        yield f"DROP VIEW {quoted(sample.view)}"
        yield f"DROP {sample.routine}"
    elif kind == "trigger and key dropped":
        yield f"DROP TRIGGER {quoted(sample.trigger)}"
        yield sample.index
    else:
        yield f"DROP DATABASE {quoted(sample.schema)}"
    yield "SET foreign_key_checks = 1"


def make(database: Database) -> None:
    """Make the five databases."""
    for sample in SAMPLES:
        database.execute(f"CREATE DATABASE {quoted(sample.schema)} CHARACTER SET utf8mb4")
        database.execute(f"USE {quoted(sample.schema)}")
        for statement in sample.made.split(";;\n"):
            database.execute(statement)


def everything(database: Database) -> dict[str, object]:
    """Return every definition and every value of the five databases, read by statements of its own."""
    found: dict[str, object] = {}
    database.execute("SET sql_mode = '', time_zone = '+00:00'")
    database.execute("USE information_schema")  # a view's text leaves out the schema that is chosen
    names = "information_schema.{} WHERE {} IN ('films', 'staff', 'Music', 'models', 'world')"
    for schema, name, kind in database.rows(
        f"SELECT table_schema, table_name, table_type FROM {names.format('tables', 'table_schema')}"
    ):
        if kind == "VIEW":  # MySQL shows the same one in other words while one of its tables is missing
            (found[f"VIEW {schema}.{name}"],) = database.rows(
                "SELECT view_definition, check_option, security_type, definer, character_set_client,"
                " collation_connection FROM information_schema.views WHERE table_schema = %s AND table_name = %s",
                (schema, name),
            )
            continue
        made = str(database.rows(f"SHOW CREATE TABLE `{schema}`.`{name}`")[0][1])
        # InnoDB takes numbers ahead for INSERT … SELECT, and the log does not hold that
        found[f"{kind} {schema}.{name}"] = re.sub(r" AUTO_INCREMENT=\d+", "", made)
        columns = database.rows(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s"
            " AND table_name = %s ORDER BY ordinal_position",
            (schema, name),
        )
        values = ", ".join(f"`{column}`" if of == "json" else f"HEX(`{column}`)" for column, of in columns)
        exact = ", ".join(f"`{column}`" for column, of in columns if of in ("float", "double", "decimal", "time"))
        rows = database.rows(f"SELECT {values}{', ' + exact if exact else ''} FROM `{schema}`.`{name}`")
        found[f"rows of {schema}.{name}"] = sorted(map(repr, rows))
    for what, names_of, column in (("TRIGGER", "triggers", "trigger"), ("EVENT", "events", "event")):
        for schema, name in database.rows(
            f"SELECT {column}_schema, {column}_name FROM {names.format(names_of, column + '_schema')}"
        ):
            shown = database.rows(f"SHOW CREATE {what} `{schema}`.`{name}`")[0]
            found[f"{what} {schema}.{name}"] = shown[1:4] if what == "EVENT" else shown[1:6]
    for schema, name, kind in database.rows(
        f"SELECT routine_schema, routine_name, routine_type FROM {names.format('routines', 'routine_schema')}"
    ):
        found[f"{kind} {schema}.{name}"] = database.rows(f"SHOW CREATE {kind} `{schema}`.`{name}`")[0][1:6]
    return found
