"""A standing approval: within which bounds a load may be published, or a drill held, by itself; who signed, until when.

It is a file that people review, and it covers one of two things. Publishing a load into the schema it names: a restore,
a drop of anything but an old generation, and a cut-over are never covered; it also says which schema the load fills and
how many generations are kept, and one that covers nothing says only that. Or the drills of the cluster it names: making
and deleting the drill's own copy, and never anything else.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runbook_lib.errors import InputRefused
from runbook_lib.guard.load_audit import LoadAudit
from runbook_lib.guard.publish.plan import PublishPlan

Percent = Annotated[float, Field(ge=0, le=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Strict):
    """How far a load may differ from what is live and still go by itself. Shares are of a table's live rows."""

    rows_gone_percent: Percent = 5
    rows_changed_percent: Percent = 50
    rows_added_percent: float = Field(default=100, ge=0)
    tables_new: int = Field(default=0, ge=0)
    definitions_changed: int = Field(default=0, ge=0)


class DrillBounds(_Strict):
    """What one drill's copy may cost at most, in US dollars by list price, and after how many hours it expires."""

    budget_usd: float = Field(gt=0)
    hours: int = Field(default=12, ge=1, le=72)


class StandingApproval(_Strict):
    """The file. `signed_by` is a person; `until` is the last day (UTC) on which it counts.

    `into` is the schema that the load fills, empty for `<live>__next`; `keep` how many generations before the live one
    are kept. A file that covers nothing needs neither a person nor a day. One that covers drills names the `cluster`
    and no schema.
    """

    version: Literal[1]
    covers: Literal["publish", "drill", "nothing"]
    live: str = ""
    cluster: str = ""
    drill: DrillBounds | None = None
    into: str = ""
    keep: int = Field(default=3, ge=1)
    signed_by: str = ""
    until: date = date.min
    bounds: Bounds = Bounds()

    @model_validator(mode="after")
    def _is_signed(self) -> StandingApproval:
        signed = bool(self.signed_by.strip() and self.until > date.min)
        if self.covers == "publish" and not signed:
            raise ValueError("what covers publishing needs signed_by, a person, and until, a day")
        of_drill = bool(self.cluster and self.drill)
        if self.covers == "drill" and not (signed and of_drill and not self.live):
            raise ValueError("what covers drills needs signed_by, until, cluster and drill, and no live schema")
        if self.covers != "drill" and (not self.live or self.cluster or self.drill):
            raise ValueError("it needs live, a schema, and names no cluster and no drill")
        return self


class Signed(BaseModel):
    """A standing approval with the hash of its file, so that a record says which one it was."""

    model_config = ConfigDict(frozen=True)

    approval: StandingApproval
    sha256: str
    path: str

    @property
    def covers_nothing(self) -> bool:
        """Tell whether it only says how generations are named and kept."""
        return self.approval.covers == "nothing"

    @property
    def words(self) -> str:
        """Say who approved, as a record keeps it."""
        if self.covers_nothing:
            return f"none: {self.path} covers nothing"
        return f"standing approval of {self.approval.signed_by}, until {self.approval.until}, sha256 {self.sha256}"

    def refuses(self, *, live: str, now: datetime) -> str:
        """Say why it does not count here and today; empty if it does."""
        if self.approval.covers == "drill":
            return "it covers drills, not the publishing of a load"
        if self.approval.live != live:
            return f"it is for `{self.approval.live}`, not for `{live}`"
        if self.covers_nothing:
            return ""
        if now.date() > self.approval.until:
            return f"it has ended on {self.approval.until}"
        return ""

    def refuses_drill(self, *, cluster: str, hours: int, usd: float | None, now: datetime) -> str:
        """Say why it does not cover a drill of a cluster whose copy expires in so many hours and costs so much.

        A cost that is not known is not within its bounds.
        """
        bounds = self.approval.drill
        if self.approval.covers != "drill" or bounds is None:
            return "it does not cover drills"
        if self.approval.cluster != cluster:
            return f"it is for the cluster {self.approval.cluster}, not for {cluster}"
        if now.date() > self.approval.until:
            return f"it has ended on {self.approval.until}"
        if hours > bounds.hours:
            return f"the copy expires after {hours} hours, {bounds.hours} are allowed"
        if usd is None:
            return "what the copy costs is not known"
        return "" if usd <= bounds.budget_usd else f"the copy may cost ${usd:.2f}, ${bounds.budget_usd:.2f} are allowed"


def read_standing(path: str) -> Signed:
    """Read a standing approval.

    Raises:
        InputRefused: it cannot be read, or says something that no standing approval can say; with the place.
    """
    file = Path(path)
    above = Path("..") / path  # JupyterLab runs a notebook in its folder
    file = above if not file.is_absolute() and not file.exists() and above.exists() else file
    try:
        content = file.read_bytes()
        approval = StandingApproval.model_validate(yaml.safe_load(content))
    except OSError as error:
        raise InputRefused(
            f'The standing approval "{path}" cannot be read: {error.strerror}.', hint="Check `standing`."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputRefused(f'The standing approval "{path}" is not valid YAML.', hint="Mend the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputRefused(
            f'The standing approval "{path}" is wrong at {place}: {first["msg"]}.',
            hint="parameters/publish.yml and parameters/drill_approval.yml show how one looks.",
        ) from error
    return Signed(approval=approval, sha256=hashlib.sha256(content).hexdigest(), path=path)


def outside_bounds(bounds: Bounds, plan: PublishPlan, audit: LoadAudit) -> tuple[str, ...]:
    """Say where a load leaves the bounds; nothing where it keeps them all, or could not be compared.

    A load that could not be compared is held by its audit.
    """
    found = []
    for table in audit.difference.tables if audit.difference else ():
        rows = table.expected_rows or 0
        for count, bound, what in (
            (table.missing, bounds.rows_gone_percent, "rows go"),
            (table.changed, bounds.rows_changed_percent, "rows change"),
            (table.extra, bounds.rows_added_percent, "rows come"),
        ):
            if count > max(rows, 1) * bound / 100:
                name = table.pair.expected.name
                found.append(f"{name}: {count:,} of {rows:,} {what}, {bound:g} % may")
    changed = [table for table in (audit.difference.tables if audit.difference else ()) if table.definition]
    for names, bound, what in (
        (sorted(set(plan.tables) - set(plan.replaced)), bounds.tables_new, "tables are new"),
        ([table.pair.expected.name for table in changed], bounds.definitions_changed, "definitions are changed"),
    ):
        if len(names) > bound:
            found.append(f"{len(names)} {what} ({', '.join(names[:3])}), {bound} may")
    if plan.accepted:
        found.append("findings are accepted by name, which only a person may do")
    return tuple(found)
