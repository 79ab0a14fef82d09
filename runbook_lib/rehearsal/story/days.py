"""What the application writes by day: inquiries, tenants with their contracts, movings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from runbook_lib.rehearsal.story import words
from runbook_lib.rehearsal.story.kinds import NULL, moment_literal, text
from runbook_lib.rehearsal.story.pen import Pen
from runbook_lib.rehearsal.story.sheets import Row, Sheets, grow

_SCHEMA = "staging"


def write_day(
    pen: Pen,
    sheets: Sheets,
    rng: Random,
    *,
    hours: tuple[datetime, datetime],
    deeds: int,
    deletes: bool = True,
) -> None:
    """Write `deeds` transactions at drawn seconds between the two moments of `hours`, foreign keys checked.

    Without `deletes` nobody discards or cancels anything: an old load brings no row back that was deleted since.
    """
    since, until = hours
    kinds = [deed for deed in _DEEDS if deletes or deed not in (_discard, _cancel)]
    span = int((until - since).total_seconds())
    with pen.checked():
        for second in sorted(rng.sample(range(span), deeds)):
            pen.at(since + timedelta(seconds=second))
            pen.commit(rng.choice(kinds)(sheets, rng, pen.moment))


def new_row(sheets: Sheets, name: str, moment: datetime, values: Mapping[str, str]) -> tuple[Row, str]:
    """Draw one more row of a table with some of its values given; return it and its INSERT."""
    sheet = sheets[name]
    row = grow(sheets, name, 1, moment=moment)[0]
    for column, value in values.items():
        row[sheet.table.index_of(column)] = value
    return row, sheet.table.insert(_SCHEMA, [row])


def _inquire(sheets: Sheets, _: Random, moment: datetime) -> list[str]:
    asked = {"asked_at": moment_literal(moment), "state": text("new")}
    return [new_row(sheets, "inquiries", moment, asked)[1]]


def _answer(sheets: Sheets, rng: Random, moment: datetime) -> list[str]:
    state = text(rng.choice(("visited", "applied", "lost")))
    inquiry = rng.choice(sheets["inquiries"].rows)
    at = moment_literal(moment)
    noted = {"inquiry_id": inquiry[0], "state": state, "at": at}
    return [
        sheets["inquiries"].change(inquiry, {"state": state, "updated_at": at}),
        new_row(sheets, "inquiry_histories", moment, noted)[1],
    ]


def _discard(sheets: Sheets, rng: Random, _: datetime) -> list[str]:
    return [sheets["inquiries"].remove(rng.choice(sheets["inquiries"].rows))]


def _sign(sheets: Sheets, rng: Random, moment: datetime) -> list[str]:
    room = rng.choice(sheets["rooms"].rows)
    day = text(f"{moment + timedelta(days=rng.randint(3, 40)):%Y-%m-%d}")
    tenant, arrives = new_row(sheets, "tenants", moment, {})
    pair = {"tenant_id": tenant[0], "room_id": room[0]}
    return [
        arrives,
        new_row(sheets, "contracts", moment, pair | {"starts_on": day, "kind": text("new")})[1],
        new_row(sheets, "movings", moment, pair | {"planned_on": day, "done_at": NULL, "kind": text("in")})[1],
        sheets["rooms"].change(room, {"vacant": "0", "free_from": NULL, "updated_at": moment_literal(moment)}),
    ]


def _move(sheets: Sheets, rng: Random, moment: datetime) -> list[str]:
    at = moment_literal(moment)
    done = {"done_at": at, "state": text(f"D-{rng.randint(0, 99999):05d}"), "updated_at": at}
    return [sheets["movings"].change(rng.choice(sheets["movings"].rows), done)]


def _cancel(sheets: Sheets, rng: Random, _: datetime) -> list[str]:
    return [sheets["movings"].remove(rng.choice(sheets["movings"].rows))]


def _call(sheets: Sheets, rng: Random, moment: datetime) -> list[str]:
    noted = {
        "phone": text(words.phone(rng)),
        "memo": text(rng.choice(words.SENTENCES)),
        "updated_at": moment_literal(moment),
    }
    return [sheets["tenants"].change(rng.choice(sheets["tenants"].rows), noted)]


# as often as each happens: many ask, some sign, few cancel
_DEEDS = (_inquire, _inquire, _inquire, _answer, _answer, _discard, _sign, _sign, _move, _move, _cancel, _call)
