"""One stand-in cluster: its server, its port, its base copies."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.binlog import since
from runbook_lib.rehearsal.images import Image, Images
from runbook_lib.rehearsal.servers import PortTaken, ReservedPort, Server
from runbook_lib.times import iso, utc_text

_PORTS_TO_TRY = 5


@dataclass(frozen=True, kw_only=True)
class BaseCopy:
    """An image to restore from, and the moment it is of, on the clock that the history is dated by."""

    moment: datetime
    image: Image


@dataclass(kw_only=True)
class StandInCluster:
    """What the data plane keeps of one cluster. Hold `lock` while using it.

    `base_copies` are in the order they were taken in. A deleted cluster whose backup is kept has no server any more.
    """

    resource_id: str
    folder: Path
    server: Server
    port: ReservedPort
    master: str
    base_copies: list[BaseCopy] = field(default_factory=list)
    deleted: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def admin(self) -> Database:
        """Connect as the superuser, starting the server without its TCP port when it is down."""
        if not self.server.running:
            self.server.start()
        return self.server.admin()

    def open(self) -> None:
        """Have the server answer on its TCP port: the same one each time, unless another program has taken it."""
        if self.server.running and self.server.port:
            return
        self.server.end()
        for tries_left in reversed(range(_PORTS_TO_TRY)):
            try:
                return self.server.start(port=self.port.release())
            except PortTaken:
                self.port.renew()
                if not tries_left:
                    raise

    def shut(self) -> None:
        """End the server, as Aurora has no process for a cluster without instances; keep its port."""
        self.server.end()
        self.port.hold()

    def add_base_copy(self, image: Image, moment: datetime) -> None:
        """Remember an image as one to restore from.

        It is of no earlier moment than the newest transaction in it since the base copy before: otherwise a
        restore from it to a second in between would hold what was committed later.
        """
        newest = moment
        if self.base_copies:
            before = self.base_copies[-1].image.position
            for _, transactions in since(image.folder / "log", before):
                newest = max([newest, *(each.committed for each in transactions)])
        self.base_copies.append(BaseCopy(moment=newest, image=image))

    def base_copy_for(self, moment: datetime) -> BaseCopy:
        """Return the newest base copy that holds nothing from after the moment.

        Raises:
            InputRefused: the moment lies before the first one.
        """
        usable = [copy for copy in self.base_copies if copy.moment <= moment]
        if not usable:
            first = min(copy.moment for copy in self.base_copies)
            raise InputRefused(
                f"{utc_text(moment)} lies before the first base copy of {self.resource_id}, {utc_text(first)}.",
                hint=f'The earliest second it can be restored to is "{iso(first)}".',
            )
        return usable[-1]

    def remove(self, images: Images, *, keep_backup: bool) -> None:
        """End the server and remove its data; its base copies and logs too, unless the backup is kept."""
        self.server.kill()
        self.port.release()
        self.deleted = True
        if keep_backup:
            shutil.rmtree(self.server.files.data)
            return
        shutil.rmtree(self.folder)
        while self.base_copies:
            images.release(self.base_copies.pop().image)
