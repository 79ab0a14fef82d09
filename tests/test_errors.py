"""Errors say what is wrong and what to do, and keep their exit code by name."""

from __future__ import annotations

import pytest

from runbook_lib import errors


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("InputRefused", 2),
        ("NotFound", 2),
        ("CredentialsRefused", 2),
        ("CheckFailed", 3),
        ("ApprovalRefused", 4),
        ("StepFailed", 5),
        ("AccessDenied", 5),
        ("TimedOut", 6),
        ("Aborted", 7),
        ("KernelDied", 8),
        ("NotPublished", 9),
        ("ZeroDivisionError", 5),
    ],
)
def test_each_error_name_has_the_exit_code_of_the_design(name: str, code: int) -> None:
    assert errors.exit_code_of(name) == code


def test_an_error_is_shown_as_two_lines_without_a_traceback() -> None:
    error = errors.InputRefused("The region is wrong.", hint="Write another.")
    assert error._render_traceback_() == ["Refused: The region is wrong.", "What to do: Write another."]
    assert str(error) == "The region is wrong. Write another."
