"""Nothing fails in silence: what a restore needs is looked at every hour, out to where people look."""

from runbook_lib.watch.checks import judge
from runbook_lib.watch.choices import Choices
from runbook_lib.watch.facts import look_at_aws
from runbook_lib.watch.inside import look_inside
from runbook_lib.watch.watched import Watched, watched

__all__ = ["Choices", "Watched", "judge", "look_at_aws", "look_inside", "watched"]
