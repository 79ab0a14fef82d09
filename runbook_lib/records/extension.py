"""Let a kernel leave at once. Our kernels load this as an IPython extension.

ipykernel flushes what a cell wrote from one thread and stops the thread that sends it from another. When the second
comes first, the first waits `flush_timeout` seconds, ten for each stream, for an answer that nobody is there to give
(seen with ipykernel 7.4, once in 25 ends). By then everything has been sent, or never will be.
"""

from __future__ import annotations

import atexit
from typing import Any

from ipykernel.iostream import OutStream


def load_ipython_extension(_shell: Any) -> None:
    """Have the kernel wait for no answer once it has begun to end; while it works it waits as ever."""
    atexit.register(_wait_no_longer)


def _wait_no_longer() -> None:
    OutStream.flush_timeout = 0.2  # type: ignore[assignment]  # seconds; there it is inferred from a 10
