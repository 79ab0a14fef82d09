"""The six incidents: what the pager says, what has happened, and the best way back. Data and statements only.

Which number is which is drawn from the seed, so that the order here tells a player nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from runbook_lib.rehearsal.source import INSTANCE_CLASS
from runbook_lib.rehearsal.story.nights import reload
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.sheets import Sheets
from runbook_lib.times import iso

RESTORE, BRING_BACK = "restore_to_timestamp", "bring_back_data"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the best way needs to know of how it happened: the last good second, and names in AWS."""

    second: datetime
    cluster: str
    resource_id: str
    snapshot: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One decision of the best way: which notebook, with which parameters, and why."""

    notebook: str
    parameters: Mapping[str, str]
    why: str


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One incident. The player is told `paged` and nothing else; the rest is on the closing page.

    `damage` writes the damaging statements in the pen's second, given what the vendor had the night before. `aws` is
    what is done in the account afterwards: "", "late snapshot", "lower retention" or "delete". `age` is how long
    before the present the damage lies.
    """

    key: str
    what: str
    paged: str
    seen_by: str
    trap: str
    best: Callable[[Facts], tuple[Step, ...]]
    damage: Callable[[Pen, Sheets], None] = field(default=lambda _pen, _sheets: None)
    aws: str = ""
    age: timedelta = timedelta(minutes=30)

    @property
    def lasts(self) -> bool:
        """Tell whether the database goes on after it: a deleted cluster does not."""
        return self.aws != "delete"


def _copied_back(facts: Facts, tables: str, why: str, **more: str) -> Step:
    given = {"cluster": facts.cluster, "way": "copy", "tables": tables, "rows": "keep new", **more}
    return Step(notebook=BRING_BACK, parameters=given, why=why)


def _the_second_before(facts: Facts, why: str) -> Step:
    return Step(notebook=RESTORE, parameters={"timestamp": iso(facts.second)}, why=why)


_ONLY_IT = "only this table is damaged: every other one goes on as it is, with what was written since"


def _wrong_where(pen: Pen, _: Sheets) -> None:
    pen.write("UPDATE `staging`.`rooms` SET `rent` = 0, `vacant` = 1, `free_from` = NULL WHERE `id` > 412")


def _wrong_where_best(facts: Facts) -> tuple[Step, ...]:
    return (
        _the_second_before(facts, "the second before the UPDATE loses nothing"),
        _copied_back(facts, "staging.rooms", f"{_ONLY_IT}; rows that both sides have are the copy's", conflicts="copy"),
    )


def _dropped(pen: Pen, _: Sheets) -> None:
    pen.write("DROP VIEW `staging`.`room_occupancy`")
    pen.after(9)
    pen.write("DROP TABLE `staging`.`movings`")


def _dropped_best(facts: Facts) -> tuple[Step, ...]:
    return (
        _the_second_before(facts, "the second before the first of the two statements has both"),
        _copied_back(facts, "staging.movings", "the table comes back with its trigger, and the view that reads it too"),
    )


LOADED = ("contracts", "inquiries", "inquiry_histories", "movings", "rooms", "tenants")


def _loaded(pen: Pen, sheets: Sheets) -> None:
    for name in LOADED:
        reload(pen, sheets[name])


def _loaded_best(facts: Facts) -> tuple[Step, ...]:
    tables = ", ".join(f"staging.{name}" for name in LOADED)
    why = "of rows that both sides have the copy's is the newer one; what was inserted since the load is kept"
    return (
        _the_second_before(facts, "the second before the load's first statement has all of the day's work"),
        _copied_back(facts, tables, why, conflicts="copy"),
    )


def _paid(pen: Pen, _: Sheets) -> None:
    pen.write("DELETE FROM `staging`.`payments` WHERE `paid_on` > '1990-01-01'")


def _paid_best(facts: Facts) -> tuple[Step, ...]:
    return (
        _the_second_before(facts, f"the snapshot {facts.snapshot} was taken after the damage; the log reaches further"),
        _copied_back(facts, "staging.payments", _ONLY_IT),
    )


def _rents(pen: Pen, _: Sheets) -> None:
    pen.write("UPDATE `staging`.`price_histories` SET `rent` = 0 WHERE `rent` > 0")


def _rents_best(facts: Facts) -> tuple[Step, ...]:
    why = "the window no longer reaches the damage; this snapshot is from before it, and is kept until it is deleted"
    only = "the snapshot is older than the damage: of the other tables the present is right; only this one is taken"
    return (
        Step(notebook=RESTORE, parameters={"cluster": facts.cluster, "restore_from": facts.snapshot}, why=why),
        _copied_back(facts, "staging.price_histories", only, conflicts="copy"),
    )


def _deleted_best(facts: Facts) -> tuple[Step, ...]:
    why = "its automated backup was kept: restored under its own name the application finds it again"
    given = {
        **{"restore_from": facts.resource_id, "timestamp": "latest", "target": facts.cluster},
        **{"purpose": "cutover", "instance_class": INSTANCE_CLASS},
    }
    return (Step(notebook=RESTORE, parameters=given, why=why),)


INCIDENTS: tuple[Incident, ...] = (
    Incident(
        key="a wrong WHERE in an UPDATE",
        what="An UPDATE that was meant for one room had `id > 412` instead of `id = 412`.",
        paged="The application reports: many rooms of the site are free at once, and their rent is 0 yen.",
        seen_by="inspect_backups: an UPDATE of a large share of staging.rooms, from one connection",
        trap="To restore to the second of the page: the wrong values are in that copy too.",
        damage=_wrong_where,
        best=_wrong_where_best,
    ),
    Incident(
        key="a dropped view and its table",
        what="Somebody tidied up: a view was dropped, and seconds later the table that it reads.",
        paged="The application reports: the page of move-ins ends with an error, and the occupancy board with another.",
        seen_by="inspect_backups: DROP VIEW, and seconds later DROP TABLE; the first of the two is what counts",
        trap="To take the second before the DROP TABLE, which is after the view was dropped.",
        damage=_dropped,
        best=_dropped_best,
    ),
    Incident(
        key="a load at the wrong hour",
        what="The nightly load ran in the middle of the day's work, with the vendor's dump of the night before.",
        paged="The application reports: contracts of today cannot be found, and inquiries that were answered are open.",
        seen_by="inspect_backups: a run of daily_etl that SUCCEEDED at an hour at which it never runs",
        trap="To look for a run that failed: this one did all that it should, only not when.",
        damage=_loaded,
        best=_loaded_best,
    ),
    Incident(
        key="a snapshot taken after the damage",
        what="A DELETE with the wrong date took nearly all payments; then a colleague took a snapshot, to be safe.",
        paged="The application reports: tenants who have paid are asked to pay again. "
        "A colleague writes: do not worry, I have just taken a snapshot.",
        seen_by="inspect_backups: the DELETE is older than the newest manual snapshot",
        trap="To restore that snapshot: it holds the damage.",
        damage=_paid,
        best=_paid_best,
        aws="late snapshot",
    ),
    Incident(
        key="a lowered retention",
        what="Yesterday an UPDATE without a WHERE set past rents to 0; then the retention was lowered to one day.",
        paged="Finance reports: the rents of past months are 0 in every report. Nobody knows since when. "
        "The nightly load has been off for a release.",
        seen_by="inspect_backups with `hours` of two days: the UPDATE lies before the earliest restorable second",
        trap="To restore to the earliest second that there still is: it is after the damage.",
        damage=_rents,
        best=_rents_best,
        aws="lower retention",
        age=timedelta(hours=28),
    ),
    Incident(
        key="a cluster deleted",
        what="The cluster was taken for a test's and deleted; its automated backup was kept.",
        paged="The application reports: it cannot reach the database at all; its name is not known any more.",
        seen_by="inspect_backups finds no cluster, and says that the backup of one is kept, with its resource id",
        trap="To restore the newest snapshot: it is hours older than the end of the retained backup.",
        best=_deleted_best,
        aws="delete",
    ),
)
COUNT = len(INCIDENTS)


def drawn(number: int, *, seed: int) -> Incident:
    """Return the incident that a number stands for in a game of that seed."""
    order = list(INCIDENTS)
    Random(f"play {seed}").shuffle(order)  # noqa: S311 - dice
    return order[number - 1]


def as_of_now(sheets: Sheets) -> Sheets:
    """Return what the vendor has now, untouched by what is written later."""
    return deepcopy(dict(sheets))
