"""A process that copies pieces: it reads on stdin what to do, line by line, and writes on stdout what it did.

A process of its own, because the formatting of lines in one thread would hold up the others; started by name instead
of forked, because the notebook's kernel has threads and open connections. It ends at once when its stdin ends before
the word to finish: then the process that started it is gone.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import Any, BinaryIO

from runbook_lib.bringback.copy.transport import travelling
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Credentials, Database, Endpoint, connect


def main() -> None:
    """Copy pieces until the word to stop."""
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    first = json.loads(sys.stdin.readline())
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    restored, damaged = _open(first["restored"], local=False), _open(first["damaged"], local=first["local_infile"])
    travelling.prepare(restored, damaged)
    while (order := orders.get()).get("number") is not None:
        try:
            rows = travelling.carry(restored, damaged, order)
            _say({"number": order["number"], "rows": rows})
        except RunbookError as error:
            _say(
                {
                    "number": order["number"],
                    "error": type(error).__name__,
                    "message": f"{order['table']}: {error.message}",
                }
            )
            return


def _listen(orders: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        orders.put(order)
        if order.get("number") is None:
            return
    os._exit(1)  # nobody is left who would use what is under way; the server rolls it back


def _open(where: dict[str, Any], *, local: bool) -> Database:
    return connect(
        Endpoint(**where["endpoint"]),
        Credentials(**where["credentials"]),
        options={"local_infile": True} if local else None,
    )


def _say(said: dict[str, Any]) -> None:
    stream: BinaryIO = sys.stdout.buffer
    stream.write(json.dumps(said).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
