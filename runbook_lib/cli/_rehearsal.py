"""What a rehearsal needs and a recovery does not: the packages of the extra `rehearsal`."""

from __future__ import annotations

from importlib.util import find_spec

from runbook_lib.errors import InputRefused

PACKAGES = ("moto", "flask", "flask_cors", "werkzeug")


def require_stand_in() -> None:
    """Refuse to go on where the stand-in's packages are not installed.

    Raises:
        InputRefused: at least one of them is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputRefused(
            f"A rehearsal needs the extra `rehearsal`, which is not installed ({', '.join(missing)} missing).",
            hint="Install it: `pip install '.[rehearsal]'` in the checkout, else `pip install 'FILE.whl[rehearsal]'`.",
        )
