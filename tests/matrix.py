"""Which members of a matrix wait for the thorough run."""

from __future__ import annotations

from typing import Any

import pytest


def release(*values: Any) -> Any:
    """Return a parameter set that waits for `make test-release`."""
    return pytest.param(*values, marks=pytest.mark.release)


def thorough(*values: Any) -> Any:
    """Return a parameter set that only `make test-thorough` and CI run; quicker members of its matrix show the same."""
    return pytest.param(*values, marks=pytest.mark.thorough)
