"""The stand-in's data plane: real servers for clusters, and restores that really replay the binary log.

A point-in-time restore builds a new server from the newest base copy not after the asked second and replays the
source's binary log to it, so that it can be proved right or wrong. Aurora does neither (its storage keeps the
history); the result is what must be equal: everything committed up to that second, nothing after it.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.mysql import Credentials, Database, Endpoint
from runbook_lib.rehearsal.accounts import make_master, set_password
from runbook_lib.rehearsal.clusters import StandInCluster
from runbook_lib.rehearsal.copying import copy_tree
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.folders import OwnedFolder, default_parent
from runbook_lib.rehearsal.images import Image, Images
from runbook_lib.rehearsal.replay import cut_logs, replay
from runbook_lib.rehearsal.servers import LOOPBACK, ReservedPort, Server, ServerFiles
from runbook_lib.rehearsal.templates import template
from runbook_lib.times import utc_now


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    image: Image
    master: str


class DataPlane:
    """The servers of one stand-in, in a new folder below `folder` (default: below $TMPDIR).

    Every method blocks until it is done. Calls on one cluster wait for each other, those on different ones run side
    by side. A connection of `admin` or over TCP survives copying and cloning, not `open` and `shut`.
    Servers, ports and the folder are gone after `close`, and however else this process ends.
    """

    def __init__(self, engine: Engine, folder: Path | None = None, *, performance_schema: bool = False) -> None:
        self.engine = engine
        self._performance_schema = performance_schema
        self._owned = OwnedFolder(folder or default_parent())
        self.folder = self._owned.path
        self._images = Images(self.folder / "images")
        self._clusters: dict[str, StandInCluster] = {}
        self._snapshots: dict[str, _Snapshot] = {}
        self._making: set[str] = set()
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def create(self, resource_id: str, *, master: Credentials, moment: datetime | None = None) -> None:
        """Make an empty cluster with its master user and a base copy dated `moment` (default now). It stays shut.

        Raises:
            InputRefused: the id is taken.
            StepFailed: the engine cannot start.
        """
        with self._new(resource_id, master.user) as cluster:
            number = next(self._numbers)
            socket = self._owned.sockets / f"{number}.sock"
            empty = template(self.engine, work=self.folder / f"template-{number}", socket=socket)
            copy_tree(empty, cluster.server.files.data)
            with cluster.admin() as database:
                make_master(database, master)
            cluster.add_base_copy(self._images.take(cluster.server), moment or utc_now())

    @property
    def resource_ids(self) -> tuple[str, ...]:
        """Return the ids of the clusters there are, and of deleted ones whose backup is kept."""
        with self._lock:
            return tuple(self._clusters)

    def endpoint(self, resource_id: str) -> Endpoint:
        """Return where the cluster answers when it is open; the port is the same each time."""
        return Endpoint(host=LOOPBACK, port=self._cluster(resource_id).port.number)

    def admin(self, resource_id: str) -> Database:
        """Connect as the superuser over the socket, whether the cluster is open or shut."""
        with self._used(resource_id) as cluster:
            return cluster.admin()

    def open(self, resource_id: str) -> None:
        """Have the cluster answer on its TCP port, as with its first instance available."""
        with self._used(resource_id) as cluster:
            cluster.open()

    def shut(self, resource_id: str) -> None:
        """Have the cluster refuse connections, as with its last instance deleted."""
        with self._used(resource_id) as cluster:
            cluster.shut()

    def set_master_password(self, resource_id: str, password: str, *, moment: datetime | None = None) -> None:
        """Change the master user's password, at `moment` on the dated clock (default now)."""
        with self._used(resource_id) as cluster, cluster.admin() as database:
            if moment:
                database.execute("SET timestamp = %s", (moment.timestamp(),))
            set_password(database, Credentials(user=cluster.master, password=password))

    def restore_to_time(
        self, new_id: str, *, source_id: str, moment: datetime, made_at: datetime | None = None
    ) -> None:
        """Make a cluster that holds what the source had committed up to a second, that included. It stays shut.

        The source may be deleted, if its backup was kept. Passwords are those of that second. The new cluster's own
        history begins with a base copy dated `made_at` (default now).

        Raises:
            NotFound: there is no such source.
            InputRefused: the id is taken, or the moment lies before the source's first base copy.
            StepFailed: the replay stopped; with the log client's message.
        """
        source = self._cluster(source_id, or_backup=True)
        with self._new(new_id, source.master) as cluster:
            with source.lock:
                self._expect(source, or_backup=True)
                base = source.base_copy_for(moment).image
                self._images.place(base, cluster.server.files)
                logs = cut_logs(
                    source.server.files.log, after=base.position, until=moment, target=cluster.folder / "replay"
                )
            if logs:
                cluster.server.start()
                replay(self.engine, logs, socket=cluster.server.files.socket, until=moment)
            shutil.rmtree(cluster.folder / "replay")
            cluster.add_base_copy(self._images.take(cluster.server), made_at or utc_now())

    def clone(self, new_id: str, *, source_id: str, made_at: datetime | None = None) -> None:
        """Make a cluster that holds what the source holds now. It stays shut.

        Raises:
            NotFound: there is no such source.
            InputRefused: the id is taken.
        """
        with self._used(source_id) as source:
            image, master = self._images.take(source.server), source.master
        self._from_image(new_id, image, master=master, made_at=made_at)

    def take_snapshot(self, source_id: str, *, snapshot_id: str, moment: datetime | None = None) -> None:
        """Copy the cluster as it is now, under the snapshot's id; dated `moment` (default now), for time restores too.

        Raises:
            NotFound: there is no such source.
            InputRefused: the id is taken.
        """
        with self._used(source_id) as source, self._new_snapshot(snapshot_id):
            image = self._images.take(source.server)
            source.add_base_copy(image, moment or utc_now())
            self._images.hold(image)
            self._snapshots[snapshot_id] = _Snapshot(image=image, master=source.master)

    def restore_snapshot(self, new_id: str, *, snapshot_id: str, made_at: datetime | None = None) -> None:
        """Make a cluster from a snapshot. It stays shut.

        Raises:
            NotFound: there is no such snapshot.
            InputRefused: the id is taken.
        """
        with self._lock:
            snapshot = self._snapshot(snapshot_id)
            self._images.hold(snapshot.image)
        self._from_image(new_id, snapshot.image, master=snapshot.master, made_at=made_at)

    def copy_snapshot(self, source_snapshot_id: str, *, snapshot_id: str) -> None:
        """Make another snapshot of what a snapshot holds.

        Raises:
            NotFound: there is no such snapshot.
            InputRefused: the id is taken.
        """
        with self._lock, self._new_snapshot(snapshot_id):
            snapshot = self._snapshot(source_snapshot_id)
            self._images.hold(snapshot.image)
            self._snapshots[snapshot_id] = snapshot

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot; restores to a time that begin from the same base copy stay possible."""
        with self._lock:
            snapshot = self._snapshot(snapshot_id)
            del self._snapshots[snapshot_id]
        self._images.release(snapshot.image)

    def delete(self, resource_id: str, *, keep_backup: bool) -> None:
        """Delete a cluster; with `keep_backup` it can still be restored to a time, and be deleted again without."""
        with self._used(resource_id, or_backup=True) as cluster:
            cluster.remove(self._images, keep_backup=keep_backup)
            if not keep_backup:
                with self._lock:
                    del self._clusters[resource_id]

    def close(self) -> None:
        """End every server and remove the folder; closing twice is harmless."""
        self._owned.close()
        with self._lock:
            for cluster in self._clusters.values():
                cluster.server.kill()  # the reaper has killed it; this takes note of it
                cluster.port.release()
            self._clusters.clear()
            self._snapshots.clear()

    def __enter__(self) -> DataPlane:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _from_image(self, new_id: str, image: Image, *, master: str, made_at: datetime | None) -> None:
        try:
            with self._new(new_id, master) as cluster:
                self._images.place(image, cluster.server.files)
                cluster.add_base_copy(image, made_at or utc_now())
                self._images.hold(image)
        finally:
            self._images.release(image)

    @contextmanager
    def _new(self, resource_id: str, master: str) -> Iterator[StandInCluster]:
        """Return an empty cluster to fill; it is there for others when that is done, and gone when it fails."""
        with self._lock:
            if resource_id in self._clusters or resource_id in self._making:
                raise InputRefused(f"There is already a cluster {resource_id}.", hint="Choose another id.")
            self._making.add(resource_id)
            number = next(self._numbers)
        files = ServerFiles(folder=self.folder / f"cluster-{number}", socket=self._owned.sockets / f"{number}.sock")
        try:
            files.folder.mkdir()
            server = Server(self.engine, files, server_id=number, performance_schema=self._performance_schema)
            cluster = StandInCluster(
                resource_id=resource_id, folder=files.folder, server=server, port=ReservedPort(), master=master
            )
            try:
                yield cluster
            except BaseException:
                cluster.remove(self._images, keep_backup=False)
                raise
            with self._lock:
                self._clusters[resource_id] = cluster
        finally:
            with self._lock:
                self._making.discard(resource_id)

    @contextmanager
    def _new_snapshot(self, snapshot_id: str) -> Iterator[None]:
        with self._lock:
            if snapshot_id in self._snapshots or snapshot_id in self._making:
                raise InputRefused(f"There is already a snapshot {snapshot_id}.", hint="Choose another id.")
            self._making.add(snapshot_id)
        try:
            yield
        finally:
            with self._lock:
                self._making.discard(snapshot_id)

    def _snapshot(self, snapshot_id: str) -> _Snapshot:
        if snapshot_id not in self._snapshots:
            raise NotFound(f"There is no snapshot {snapshot_id}.", hint="Check its id.")
        return self._snapshots[snapshot_id]

    def _cluster(self, resource_id: str, *, or_backup: bool = False) -> StandInCluster:
        with self._lock:
            cluster = self._clusters.get(resource_id)
        if cluster is None:
            raise NotFound(f"There is no cluster {resource_id}.", hint="Check its id.")
        self._expect(cluster, or_backup=or_backup)
        return cluster

    def _expect(self, cluster: StandInCluster, *, or_backup: bool) -> None:
        if cluster.deleted and not (or_backup and cluster.base_copies):
            raise NotFound(f"The cluster {cluster.resource_id} is deleted.", hint="Restore it from its kept backup.")

    @contextmanager
    def _used(self, resource_id: str, *, or_backup: bool = False) -> Iterator[StandInCluster]:
        cluster = self._cluster(resource_id, or_backup=or_backup)
        with cluster.lock:
            self._expect(cluster, or_backup=or_backup)  # another thread may have deleted it while we waited
            yield cluster
