"""What the control plane needs of a data plane; `rehearsal.dataplane.DataPlane` is one."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from runbook_lib.mysql import Credentials, Endpoint


class Data(Protocol):
    """Real servers behind the clusters, named by the clusters' resource ids. Every call blocks until it is done."""

    def create(self, resource_id: str, *, master: Credentials) -> None:
        """Make an empty server with its master user."""

    def endpoint(self, resource_id: str) -> Endpoint:
        """Return where the server listens, or will once it is opened."""

    def open(self, resource_id: str) -> None:
        """Begin to answer on the endpoint."""

    def shut(self, resource_id: str) -> None:
        """Cease to answer on the endpoint; the data stays."""

    def set_master_password(self, resource_id: str, password: str) -> None:
        """Change the master user's password."""

    def restore_to_time(self, new_id: str, *, source_id: str, moment: datetime) -> None:
        """Make a new server with the source's data as it was at `moment`."""

    def clone(self, new_id: str, *, source_id: str) -> None:
        """Make a new server with the source's data as it is."""

    def take_snapshot(self, source_id: str, *, snapshot_id: str) -> None:
        """Keep a copy of the source's data as it is."""

    def restore_snapshot(self, new_id: str, *, snapshot_id: str) -> None:
        """Make a new server from a kept copy."""

    def copy_snapshot(self, source_snapshot_id: str, *, snapshot_id: str) -> None:
        """Keep a second copy of a kept copy."""

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Throw a kept copy away."""

    def delete(self, resource_id: str, *, keep_backup: bool) -> None:
        """Remove a server; with `keep_backup` it can still be the source of a restore to a time."""
