"""The estate around staging, and its first load: the background document's inventory, schema by schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random

from runbook_lib.mysql import quoted
from runbook_lib.rehearsal.story import staging
from runbook_lib.rehearsal.story.definitions import COLLATION, Table
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.sheets import Sheets, invent_free

# Number of tables in each schema at the moment before the failing load ("Database Investigation Results").
INVENTORY: Mapping[str, int] = {
    "staging": 81, "silver": 2, "gold": 0, "seeds": 0, "tokyobeta": 0, "basis": 80,
    "_analytics": 4, "_silver": 2, "_gold": 0, "analytics": 0, "_test_results": 60,
}  # fmt: skip

_LEGACY = (
    Table("daily_activity_summary", 420, "day=date activity=enum(inquiry|contract|movein|moveout) total=count"),
    Table("moveout_notices", 180, "id contract_number=code planned_on=day_ahead asset=code"),
    Table("moveouts", 240, "id contract_number=code moved_on=date stayed_days=count"),
    Table("new_contracts", 260, "id contract_number=code starts_on=date rent=yen geo=json?"),
)

_SILVER: Mapping[str, tuple[str, str]] = {
    "stg_apartments": (
        "apartment_id INT UNSIGNED NOT NULL, apartment_code VARCHAR(24), apartment_name VARCHAR(120),"
        " ward VARCHAR(40), is_open INT",
        "SELECT `id`, `code`, `house`, SUBSTRING(`postal_address`, 4, 4), `status` = 'open'"
        " FROM `staging`.`apartments`",
    ),
    "stg_rooms": (
        "room_id INT UNSIGNED NOT NULL, apartment_id INT UNSIGNED, room_number VARCHAR(24),"
        " rent_total INT, is_vacant INT",
        "SELECT `id`, `apartment_id`, `number`, `rent_total`, `vacant` FROM `staging`.`rooms`",
    ),
}  # fmt: skip

# What dbt stores of a failed test (its `store_failures`): the failing rows themselves, or the values and how many.
_TESTS: Mapping[str, str] = {
    "not_null": "id INT UNSIGNED, code VARCHAR(120), updated_at DATETIME",
    "unique": "unique_field VARCHAR(190), n_records BIGINT NOT NULL",
    "accepted_values": "value_field VARCHAR(120), n_records BIGINT NOT NULL",
    "relationships": "from_field INT UNSIGNED",
}
_TESTED: Mapping[str, tuple[str, ...]] = {
    "not_null": (
        "apartments_id", "apartments_code", "apartments_house", "apartments_status", "rooms_id",
        "rooms_apartment_id", "rooms_number", "rooms_rent", "tenants_id", "tenants_email", "tenants_last_name",
        "movings_id", "movings_room_id", "movings_tenant_id", "movings_planned_on", "inquiries_id",
        "inquiries_apartment_id", "inquiries_asked_at", "contracts_id", "contracts_room_id",
        "contracts_tenant_id", "contracts_starts_on", "contracts_rent", "payments_id", "payments_amount",
        "payments_paid_on",
    ),
    "unique": (
        "apartments_id", "apartments_code", "rooms_id", "rooms_number", "tenants_id", "tenants_email",
        "movings_id", "inquiries_id", "contracts_id", "contracts_number", "payments_id", "invoices_number",
    ),
    "accepted_values": (
        "apartments_status__open__full__closed", "rooms_kind__private__dormitory__studio",
        "movings_kind__in__out__within", "inquiries_state__new__visited__applied__lost",
        "inquiries_channel__web__phone__walk_in__partner", "contracts_kind__new__renewal__short",
        "payments_method__bank__card__cash", "repairs_state__open__ordered__done",
        "faqs_language__ja__en__ko__zh", "keys_holder__tenant__office__lost",
    ),
    "relationships": (
        "rooms_apartment_id__id__apartments", "movings_room_id__id__rooms", "movings_tenant_id__id__tenants",
        "contracts_room_id__id__rooms", "contracts_tenant_id__id__tenants",
        "inquiries_apartment_id__id__apartments", "payments_contract_id__id__contracts",
        "invoices_contract_id__id__contracts", "deposits_contract_id__id__contracts", "keys_room_id__id__rooms",
        "room_photos_room_id__id__rooms", "staff_shifts_staff_id__id__staff",
    ),
}  # fmt: skip


def load_estate(pen: Pen, sheets: Sheets, *, seed: int, said: Callable[[str], None]) -> None:
    """Make all schemas and their first data, all dated in the pen's second."""
    for schema in INVENTORY:
        pen.write(f"CREATE DATABASE {quoted(schema)} DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    for sheet in sheets.values():
        load_table(pen, sheets, sheet.table.name)
    pen.write(staging.OCCUPANCY_VIEW, *staging.ROUTINES)
    said("staging is loaded")
    for table in staging.TABLES:
        if table.name != staging.OWN_TABLE:
            pen.write(table.create("basis", name=f"{staging.SCHEMA}.{table.name}", related=False))
    said("basis is there, empty")
    rng = Random(f"{seed}:estate")  # noqa: S311 - dice
    for table in _LEGACY:
        pen.write(table.create("_analytics"), table.insert("_analytics", invent_free(table, rng, moment=pen.moment)))
    build_silver(pen, "silver")
    build_silver(pen, "_silver")
    _age_the_old_silver(pen)
    _store_test_failures(pen, rng)
    said("the derived schemas are built")


def load_table(pen: Pen, sheets: Sheets, name: str) -> None:
    """Load one staging table as the vendor's dump does: drop, create, insert, and the trigger that belongs to it."""
    sheet = sheets[name]
    pen.write(f"DROP TABLE IF EXISTS {quoted(staging.SCHEMA, name)}", sheet.table.create(staging.SCHEMA))
    pen.write(*(sheet.table.insert(staging.SCHEMA, batch) for batch in sheet.batches()))
    if name == "movings":
        pen.write(staging.MOVING_TRIGGER)


def build_silver(pen: Pen, schema: str) -> None:
    """Build the two silver models the way dbt does: beside the old one, then renamed over it."""
    for name, (columns, select) in _SILVER.items():
        new, old, model = (quoted(schema, name + suffix) for suffix in ("__dbt_tmp", "__dbt_backup", ""))
        pen.write(f"CREATE TABLE {new} ({columns}) ENGINE=InnoDB DEFAULT {COLLATION}", f"INSERT INTO {new} {select}")
        pen.write(f"CREATE TABLE IF NOT EXISTS {model} LIKE {new}")
        pen.write(f"RENAME TABLE {model} TO {old}, {new} TO {model}", f"DROP TABLE {old}")


def _age_the_old_silver(pen: Pen) -> None:
    # the copies from before the schemas were renamed: fewer rows, and a name since changed
    pen.write(
        "DELETE FROM `_silver`.`stg_rooms` WHERE `room_id` % 7 = 3",
        "DELETE FROM `_silver`.`stg_apartments` WHERE `apartment_id` % 11 = 5",
        "UPDATE `_silver`.`stg_apartments` SET `apartment_name` = CONCAT('旧 ', `apartment_name`)"
        " WHERE `apartment_id` % 4 = 1",
    )


def failure_tables() -> tuple[tuple[str, str], ...]:
    """Return the names and columns of the 60 tables of `_test_results`."""
    return tuple((f"{test}_{what}", _TESTS[test]) for test, tested in _TESTED.items() for what in tested)


def _store_test_failures(pen: Pen, rng: Random) -> None:
    for name, columns in failure_tables():
        pen.write(f"CREATE TABLE {quoted('_test_results', name)} ({columns}) ENGINE=InnoDB DEFAULT {COLLATION}")
        if rng.randrange(5) == 0:
            pen.write(_insert_failures(name, rng, pen.moment))


def _insert_failures(name: str, rng: Random, moment: datetime) -> str:
    def one() -> str:
        number = rng.randint(1, 900)
        if name.startswith("not_null"):
            return f"({number}, NULL, '{moment:%Y-%m-%d %H:%M:%S}')"
        return f"({number})" if name.startswith("relationships") else f"('{number}', {rng.randint(2, 9)})"

    failures = ", ".join(one() for _ in range(rng.randint(1, 30)))
    return f"INSERT INTO {quoted('_test_results', name)} VALUES {failures}"  # noqa: S608 - our own literals


def refresh_test_results(pen: Pen, rng: Random) -> None:
    """Store the failures of a new dbt run: a few tables change what they hold."""
    for name, _ in rng.sample(failure_tables(), 4):
        failed = [_insert_failures(name, rng, pen.moment)] if rng.randrange(2) else []
        pen.commit([f"DELETE FROM {quoted('_test_results', name)}", *failed])  # noqa: S608 - quoted
