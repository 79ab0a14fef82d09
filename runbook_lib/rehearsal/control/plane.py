"""The stand-in's control plane: an AWS on loopback, in this process, with Aurora's rules."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from threading import Lock, Thread
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.rds.models import RDSBackend, rds_backends
from werkzeug.serving import BaseWSGIServer, make_server

from runbook_lib.errors import StepFailed
from runbook_lib.rehearsal.control.alarms import Alarms
from runbook_lib.rehearsal.control.aurora.actions import AnsweringBackend
from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend, World
from runbook_lib.rehearsal.control.data import Data
from runbook_lib.rehearsal.control.faults import Faults
from runbook_lib.rehearsal.control.front import Front
from runbook_lib.rehearsal.control.history import History
from runbook_lib.rehearsal.control.jobs import Jobs
from runbook_lib.rehearsal.control.pace import Pace
from runbook_lib.rehearsal.control.permissions import Permissions
from runbook_lib.rehearsal.control.request_log import RequestLog
from runbook_lib.rehearsal.control.vault import Vault
from runbook_lib.rehearsal.pricelist import Products, products_of
from runbook_lib.restore.wait import DOUBT_VARIABLE

log = logging.getLogger(__name__)

_one_at_a_time = Lock()  # moto keeps its state in the process, so two stand-ins would share it


def _is_ours(name: str) -> bool:
    return name.startswith("AWS_") or name == DOUBT_VARIABLE


class _Handler(MotoRequestHandler):
    """Serves without a line on the terminal for each request; the request log has them."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Keep werkzeug's line for those who ask for debugging."""
        log.debug("%s: " + message, type, *args)


class ControlPlane:
    """An AWS on loopback. `data` makes its clusters real servers; without it they are only described.

    Everything is undone by `close`; one stand-in can be started after another in a process, not beside it.
    """

    def __init__(self, data: Data | None, *, pace: Pace, region: str = "ap-northeast-1") -> None:
        self.region = region
        self.account = DEFAULT_ACCOUNT_ID
        self.requests = RequestLog()
        self.faults = Faults()
        self.permissions = Permissions(lambda: self.rds)
        self.prices = Products(products_of(region))
        self.vault = Vault()
        self.jobs = Jobs(self.account, region)
        self.alarms = Alarms(self.account, region)
        self._world = World(data=data, pace=pace, faults=self.faults)
        self._server: BaseWSGIServer | None = None
        self._thread: Thread | None = None
        self._own_backend: type[RDSBackend] = rds_backends.backend
        self._access_key = "AKIA" + secrets.token_hex(8).upper()

    def start(self) -> str:
        """Begin to answer, and give the URL.

        Raises:
            StepFailed: another stand-in is running in this process.
        """
        if not _one_at_a_time.acquire(blocking=False):
            raise StepFailed(
                "Another rehearsal's AWS is running in this process.", hint="Close it before another is started."
            )
        BackendDict.reset()
        rds_backends.backend = self._backend  # type: ignore[assignment]  # called like the class
        dispatcher = DomainDispatcherApplication(create_backend_app)
        front = Front(
            dispatcher,
            log=self.requests,
            faults=self.faults,
            permissions=self.permissions,
            answers={
                "pricing:GetProducts": self.prices.answer,
                "backup:ListRecoveryPointsByResource": self.vault.answer,
                "backup:ListBackupVaults": self.vault.vaults,
                "backup:ListRecoveryPointsByBackupVault": self.vault.in_vault,
                "backup:ListCopyJobs": self.vault.copy_jobs,
                "backup:DescribeRestoreJob": self.vault.restore_job,
                "backup:PutRestoreValidationResult": self.vault.validate,
                "glue:StartJobRun": self.jobs.answer,
            },
            before={"cloudwatch:DescribeAlarms": self.alarms.judge},
        )
        self._server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=_Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="rehearsal-aws", daemon=True)
        self._thread.start()
        return self.url

    def _backend(self, region: str, account_id: str) -> AuroraBackend:
        return AnsweringBackend(region, account_id, world=self._world)

    def close(self) -> None:
        """Cease to answer, end what is under way, and leave moto as it was found."""
        if self._server is None:
            return
        self._server.shutdown()
        self.jobs.close()
        if self._thread:
            self._thread.join()
        self._server.server_close()
        self._world.steps.close()
        rds_backends.backend = self._own_backend
        BackendDict.reset()
        self._server = self._thread = None
        _one_at_a_time.release()

    def __enter__(self) -> ControlPlane:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it answers."""
        assert self._server is not None, "start it first"
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables that send every AWS client here, and nowhere else.

        The machine's own files and metadata service are named away. A variable already set, such as AWS_PROFILE,
        could still lead elsewhere: `in_environment` and `whole_environment` leave those out.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            DOUBT_VARIABLE: str(self._world.pace.doubt.total_seconds()),
        }

    @property
    def rds(self) -> AuroraBackend:
        """The state of RDS in the stand-in's region."""
        found = rds_backends[self.account][self.region]
        assert isinstance(found, AuroraBackend)
        return found

    @property
    def history(self) -> History:
        """Enter what is dated before now."""
        return History(self.rds)

    def recovery_point(self, cluster: str, *, at: datetime, data_id: str = "") -> str:
        """Enter a recovery point of AWS Backup, with its snapshot, and return the snapshot's name."""
        arn = self.vault.put(self.rds.cluster(cluster).arn, at=at)
        name = arn.partition(":cluster-snapshot:")[2]
        self.history.kept_snapshot(cluster, name, at=at, data_id=data_id)
        return name

    def held(self) -> AbstractContextManager[None]:
        """Let no change end inside, so that a test can look at a passing status as long as it likes."""
        return self._world.steps.held()

    def whole_environment(self) -> dict[str, str]:
        """Return this process's environment with no AWS variable but ours, for a child process."""
        others = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        return others | self.environment()

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Have no AWS variables but ours in this process, and put back what was there."""
        before = {name: value for name, value in os.environ.items() if _is_ours(name)}
        for name in before:
            del os.environ[name]
        os.environ.update(self.environment())
        try:
            yield
        finally:
            for name in [name for name in os.environ if _is_ours(name)]:
                del os.environ[name]
            os.environ.update(before)
