"""The plan of a copy back, decided from facts alone: ways of the rows, checks, definitions taken apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbook_lib.bringback.copy.checks import copy_checks
from runbook_lib.bringback.copy.choices import CopyChoices
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.planning import Verdicts, plan_copy_back
from runbook_lib.bringback.copy.transport.ways import s3_statements
from runbook_lib.bringback.copy.undo import CopyUndoPlan
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.swap.definition import take_apart
from runbook_lib.swap.facts import Column, ForeignKey, ServerFacts, TableFacts
from runbook_lib.swap.foreign_keys import closure
from runbook_lib.swap.names import dated_schema, is_ours, staging_schema, undone_schema
from tests.copying import NOW

RENT = TableName(schema="letting", name="rent. `日本")
SHOWN = (
    "CREATE TABLE `rent. ``日本` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `a,(b` varchar(9) DEFAULT 'x,)''`',\n"
    "  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a,(b`),\n  KEY `k` (`a,(b`,`id`),\n"
    "  CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `other`.`rooms` (`id`) ON DELETE CASCADE\n"
    ") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=9'"
)
RIGHTS = frozenset({"ALL"})


def column(name: str, kind: str) -> Column:
    return Column(
        name=name, kind=kind, full_type=kind, nullable=True, generated=False, counted=name == "id", charset="utf8mb4"
    )


def server(name: str, *, size: int = 1000, **settings: str) -> ServerFacts:
    table = TableFacts(
        name=RENT,
        create=SHOWN,
        engine="InnoDB",
        columns=(column("id", "int"), column("a,(b", "varchar"), column("f", "float"), column("j", "json")),
        key=("id",),
        uniques=(),
        counter=7,
        rows=10,
        bytes=size,
    )
    return ServerFacts(
        name=name,
        identity=name,
        version="8.0.39",
        is_mariadb=False,
        schemas={"letting": ("utf8mb4", "utf8mb4_bin")},
        tables={RENT: table},
        foreign_keys=(),
        objects=(),
        settings={"local_infile": "ON", **settings},
        rights=RIGHTS,
    )


def planned(copy: ServerFacts, source: ServerFacts, **choices: object) -> tuple[str, str]:
    chosen = CopyChoices(tables=("letting",), **choices)  # type: ignore[arg-type]
    plan = plan_copy_back(copy, source, verdicts=None, choices=chosen, now=NOW)
    return plan.tables[0].way, plan.tables[0].why


def test_a_definition_is_loaded_bare_and_gets_its_indexes_and_foreign_keys_afterwards() -> None:
    parts = take_apart(SHOWN, table=RENT, place=lambda one: replace(one, schema="st"), counted="id", keys_later=True)
    assert parts.create == (
        "CREATE TABLE `st`.`rent. ``日本` (\n  `id` int NOT NULL AUTO_INCREMENT,\n"
        "  `a,(b` varchar(9) DEFAULT 'x,)''`',\n  PRIMARY KEY (`id`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=9'"
    )
    assert parts.keys == ("ADD UNIQUE KEY `u` (`a,(b`)", "ADD KEY `k` (`a,(b`,`id`)")
    assert parts.foreign_keys == (
        "ADD CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `st`.`rooms` (`id`) ON DELETE CASCADE",
    )


def test_the_way_of_the_rows_follows_settings_roles_and_size() -> None:
    role = {"aws_default_s3_role": "arn:aws:iam::1:role/s3"}
    bucket = "s3-ap-northeast-1://recovery/tables"
    assert planned(server("copy"), server("source")) == ("load", "local_infile is on at the damaged server")
    way, why = planned(server("copy"), server("source", local_infile="OFF"))
    assert way == "insert"
    assert why.startswith("local_infile is off on the damaged server, no bucket is named for the way through S3, and ")
    way, why = planned(server("copy", **role), server("source", local_infile="OFF"), bucket=bucket)
    assert way == "insert"
    assert "source has no role for S3" in why
    way, _ = planned(server("copy", **role), server("source", local_infile="OFF", **role), bucket=bucket)
    assert way == "s3"
    way, why = planned(server("copy", size=300 << 30, **role), server("source", **role), bucket=bucket)
    assert (way, why) == ("s3", "300 GiB would take hours through one client")


def test_the_statements_of_the_way_through_s3() -> None:
    staging = replace(RENT, schema="st")
    unload, load = s3_statements(
        RENT, staging, server("copy").tables[RENT].columns, bucket="s3-ap-northeast-1://recovery/tables/", now=NOW
    )
    where = unload[unload.index("'s3") + 1 : unload.index("' FORMAT")]
    assert where.startswith("s3-ap-northeast-1://recovery/tables/letting_rent___")
    assert where.isascii()
    assert unload == (
        f"SELECT `id`, `a,(b`, CAST(`f` AS DOUBLE), `j` FROM `letting`.`rent. ``日本` INTO OUTFILE S3 '{where}'"
        " FORMAT TEXT CHARACTER SET binary FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'"
        " MANIFEST ON"
    )
    assert load == (
        f"LOAD DATA FROM S3 MANIFEST '{where}.manifest' INTO TABLE `st`.`rent. ``日本` CHARACTER SET binary"
        " FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A' (`id`, `a,(b`, `f`, @v3)"
        " SET `j` = CONVERT(@v3 USING utf8mb4)"
    )


def test_everything_that_foreign_keys_tie_is_swapped_together() -> None:
    a, b, c, d = (TableName(schema=schema, name=name) for schema, name in ("xa", "xb", "yc", "yd"))

    def key(child: TableName, parent: TableName) -> ForeignKey:
        return ForeignKey(name="fk", table=child, columns=("p",), parent=parent, parent_columns=("id",))

    assert closure([a], [key(b, a), key(b, b)], [key(b, c)]) == (a, b, c)
    assert closure([d], [key(b, a)]) == (d,)


def test_the_plan_id_is_of_what_would_be_done_and_not_of_the_clock() -> None:
    def plan(**more: object) -> str:
        chosen = CopyChoices(tables=("letting",), **more)  # type: ignore[arg-type]
        now = NOW.replace(hour=len(more) + 3)
        return plan_copy_back(server("copy"), server("source"), verdicts=None, choices=chosen, now=now).id

    assert plan() == plan(workers=4)
    assert len({plan(), plan(rows="keep new"), plan(conflicts="copy")}) == 3


def test_a_plan_and_its_undo_are_of_two_clusters_of_one_account_and_region_alone() -> None:
    def plan(restored: str, damaged: str) -> CopyBackPlan:
        right, wrong = (replace(server(name), place=place) for name, place in (("copy", restored), ("live", damaged)))
        chosen = CopyChoices(tables=("letting",))
        return plan_copy_back(right, wrong, verdicts=None, choices=chosen, now=NOW)

    arn = "arn:aws:rds:{}:{}:cluster:live cluster-{}"
    damaged = [arn.format(*place) for place in ("e1A", "e1B", "e2A", "w1A")]
    plans = [plan("copy", place) for place in damaged] + [plan("other", damaged[0]), plan("", "")]
    assert len({each.id for each in plans}) == 6
    assert plan("copy", damaged[0]).id == plans[0].id
    undos = [CopyUndoPlan(undoes=plans[0], of=plans[0].id, place=place) for place in damaged]  # a copy keeps the state
    assert len({undo.id for undo in undos}) == 4


def test_checks_stop_what_cannot_work_and_name_what_to_mind() -> None:
    copy = server("copy")
    source = replace(server("source", read_only="ON", local_infile="OFF"), rights=frozenset({"SELECT"}))
    plan = plan_copy_back(copy, source, verdicts=None, choices=CopyChoices(tables=("letting",)), now=NOW)
    states = {check.subject: check.state for check in copy_checks(plan, copy, source)}
    assert states["rights on the damaged server"] == states["writable"] == "bad"
    assert states["way of the rows"] == "warn"
    same = replace(plan, damaged_identity=plan.restored_identity)
    assert copy_checks(same, copy, source)[0].state == "bad"


def test_wrong_choices_are_refused_before_anything_is_read_again() -> None:
    for wrong in ({"rows": "merge"}, {"conflicts": "mine"}, {"rules": {"a.b": "?"}}):
        with pytest.raises(InputRefused):
            CopyChoices(**wrong)  # type: ignore[arg-type]
    unknown = CopyChoices(tables=("nothing",))
    with pytest.raises(InputRefused, match="holds no table or schema"):
        plan_copy_back(server("copy"), server("source"), verdicts=None, choices=unknown, now=NOW)
    with pytest.raises(InputRefused, match="Prove the source"):
        plan_copy_back(server("copy"), server("source"), verdicts=None, choices=CopyChoices(), now=NOW)
    nothing = Verdicts(words={RENT: "same"}, damaged=())
    assert (
        plan_copy_back(server("copy"), server("source"), verdicts=nothing, choices=CopyChoices(), now=NOW).tables == ()
    )


def test_schemas_of_a_copy_back_are_told_by_their_names_however_long() -> None:
    for made in (staging_schema("x" * 64, "0a1b2c3d"), dated_schema("x" * 64, NOW), undone_schema("d", NOW)):
        assert len(made) <= 64
        assert is_ours(made)
    assert not is_ours("my_damaged_things")
