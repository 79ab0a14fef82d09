"""What happened when: announced before a step begins, so that a killed run still tells how far it came."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("runbook_lib.events")


def announce(event: str, **facts: Any) -> None:
    """Say that `event` ("restore-requested") is about to happen, with its facts (JSON-able values).

    It is logged always; a headless run also writes it to the record's `events.jsonl` before the step starts.
    """
    log.info("%s %s", event, " ".join(f"{name}={value}" for name, value in facts.items()))
