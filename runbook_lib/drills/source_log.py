"""The living source's binary log from a second on, with the rows: or why it does not tell of all that time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from runbook_lib.drills.touched import ABOUT, Touched
from runbook_lib.errors import RunbookError
from runbook_lib.looking import could_not
from runbook_lib.mysql import Credentials, Endpoint, LogFile, began, connect, list_log_files, read_log
from runbook_lib.times import utc_text

_FIRST = re.compile(r"\.0*1$")
_LONGEST_STATEMENT = timedelta(days=1)
_MOST_BYTES = 4 << 30
"""More of a log than that is not read: at some 20 MB/s that is three minutes."""


@dataclass(frozen=True, kw_only=True)
class SourceLog:
    """Where the log is read, with an account that may. `about` is how far from its second a copy may end."""

    endpoint: Endpoint
    account: Credentials = field(repr=False)
    about: timedelta = ABOUT

    def follow(self, touched: Touched, *, second: datetime, until: datetime | None = None) -> str:
        """Read the log from a second on, to its end or only for which tables it touches until another second.

        Return why it does not tell of all that time; empty if it does. What could not be decoded is in `touched`.
        """
        try:
            with connect(self.endpoint, self.account) as database:
                files = list_log_files(database)
            if not files:
                return "the source writes no binary log"
            chosen, is_whole = self._reaching_to(files, second)
            size = sum(file.size for file in chosen)
            if size > _MOST_BYTES:
                return f"its binary log since {utc_text(second)} is {size >> 20:,} MiB, more than is read"
            if until is None:
                since, until = second - _LONGEST_STATEMENT, datetime.max.replace(tzinfo=UTC)
                entries = read_log(self.endpoint, self.account, files=chosen, since=since, until=until, images=True)
                touched.read(entries, second=second, about=self.about)
            else:
                touched.tally(read_log(self.endpoint, self.account, files=chosen, since=second, until=until))
            if is_whole:
                return ""
            begins = began(self.endpoint, self.account, files[0])
        except RunbookError as error:
            return f"its binary log {could_not(error)}"
        said = f"its binary log does not tell from {utc_text(second)} to {utc_text(begins)}"
        return f"{said}: it begins only then, and what was before it is purged"

    def _reaching_to(self, files: tuple[LogFile, ...], second: datetime) -> tuple[list[LogFile], bool]:
        chosen: list[LogFile] = []
        begins = second
        for file in reversed(files):
            chosen.insert(0, file)
            begins = began(self.endpoint, self.account, file)
            if begins < second - self.about:
                return chosen, True
        # Of a young server nothing was purged; but a log that was reset or switched on since begins with that name too.
        return chosen, begins <= second and _FIRST.search(files[0].name) is not None
