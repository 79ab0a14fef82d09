"""What the library logs while a command runs: warnings, on stderr, without secrets."""

from __future__ import annotations

import logging


class _Clean(logging.Formatter):
    """Formats a record and takes secrets out of the whole, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        from runbook_lib.redaction import scrubbed  # its patterns take a while; most commands log nothing

        text = scrubbed(super().format(record))
        assert isinstance(text, str)
        return text


def log_to_stderr() -> None:
    """Show warnings of every logger on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Clean("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
