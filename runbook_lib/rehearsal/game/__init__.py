"""A rehearsal whose incident the player does not know: it happens, it is paged, and in the end it is judged."""

from runbook_lib.rehearsal.game.closing import Closed, close, page_of
from runbook_lib.rehearsal.game.happening import Scene, happen
from runbook_lib.rehearsal.game.incidents import COUNT
from runbook_lib.rehearsal.game.judging import Verdict, judge

__all__ = ["COUNT", "Closed", "Scene", "Verdict", "close", "happen", "judge", "page_of"]
