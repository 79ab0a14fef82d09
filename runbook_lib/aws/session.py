"""Sessions with AWS: who we are, where, and how patiently we ask."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import Thread
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, EndpointConnectionError, HTTPClientError, ProfileNotFound
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.utils import parse_timestamp

from runbook_lib import __version__
from runbook_lib.aws import sign_in
from runbook_lib.aws.translate import translated, unanswered
from runbook_lib.errors import InputRefused
from runbook_lib.events import announce

log = logging.getLogger(__name__)

REGIONS = {"ce": "us-east-1", "pricing": "us-east-1"}
"""Services that answer in few regions only. Source: "Service endpoints and quotas", AWS General Reference."""

# RDS throttles by account, and a run may share it with automation: adaptive slows down instead of giving up.
# Source: botocore's retries guide; `standard` with 3 tries is the default since botocore 1.44.
_PATIENCE = Config(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    user_agent_extra=f"aurora-recovery-runbooks/{__version__}",
    connect_timeout=5,
    read_timeout=30,
)
_KNOCK_S = 10.0  # a service that has not answered by then is taken for unreachable
_SILENT_S = 60.0  # and is not asked again for so long, so that several are waited for once and not one after another
_TRIES_BEFORE_AN_ANSWER = 2


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who AWS takes us for. `account` keeps its leading zeros."""

    account: str
    arn: str


class AwsSession:
    """One region and one set of credentials. Make it with `connect`."""

    def __init__(
        self, boto_session: boto3.Session, region: str, patience: Config = _PATIENCE, *, profile: str = ""
    ) -> None:
        self.region = region
        self._patience = patience
        self._session = boto_session
        self._profile = profile
        self._client = lru_cache(maxsize=None)(self._make_client)
        self._silent: dict[tuple[str, str], float] = {}
        self._answered: set[tuple[str, str]] = set()

    @property
    def profile(self) -> str:
        """Return the profile that was named, empty for the environment's."""
        return self._profile

    def client(self, service: str, *, region: str = "") -> Any:
        """Return the boto3 client of a service, made once. `region` only for services that live elsewhere."""
        return self._client(service, region or self.region)

    def _make_client(self, service: str, region: str) -> Any:
        with translated(service, "connect", profile=self._profile):
            make: Any = self._session.client  # its stubs know services only as literals
            made = make(service, region_name=region, config=self._patience)
        key = (service, region)
        made.meta.events.register_first("needs-retry", lambda **asked: self._retry(key, **asked))
        return made

    def _retry(self, key: tuple[str, str], *, attempts: int, response: Any, caught_exception: Any, **_: Any) -> None:
        """Let botocore try a silent service twice, and not ten times, while it has never answered."""
        if response is not None:
            self._answered.add(key)
            self._silent.pop(key, None)
        elif key not in self._answered and attempts >= _TRIES_BEFORE_AN_ANSWER and caught_exception is not None:
            self._silent[key] = time.monotonic()
            raise caught_exception

    def knock(self, services: Iterable[str]) -> tuple[str, ...]:
        """Find out at once which services answer at all, and return those that do not.

        Each is sent one request without a signature, which any answer will do for, through the same proxy as the calls.
        What did not answer is not asked again for a minute: its calls are `Unreachable` at once.
        """
        keys = {service: (service, REGIONS.get(service, self.region)) for service in services}
        for service, (_, region) in keys.items():
            self.client(service, region=region)  # made before the threads: making one is not safe among them
        threads = {
            service: Thread(target=self._knock, args=(service, key), daemon=True) for service, key in keys.items()
        }
        for thread in threads.values():
            thread.start()
        until = time.monotonic() + _KNOCK_S
        for thread in threads.values():
            thread.join(max(0.0, until - time.monotonic()))
        silent = tuple(service for service, key in keys.items() if key not in self._answered)
        self._silent |= {keys[service]: time.monotonic() for service in silent}
        return silent

    def _knock(self, service: str, key: tuple[str, str]) -> None:
        try:
            endpoint = self.client(service, region=key[1])._endpoint
            endpoint.http_session.send(AWSRequest(method="GET", url=endpoint.host).prepare())
        except Exception as error:  # noqa: BLE001  # whatever it was, the call itself says it better
            log.debug("%s does not answer: %s", service, error)
            if not isinstance(error, (BotoConnectionError, HTTPClientError, EndpointConnectionError)):
                self._answered.add(key)  # no network's fault: let the call say what is wrong
        else:
            self._answered.add(key)

    def refuse_silent(self, service: str, operation: str, *, region: str = "") -> None:
        """Raise at once where a service has just been found silent.

        Raises:
            Unreachable: it did not answer within the last minute.
        """
        since = self._silent.get((service, region or self.region))
        if since is not None and time.monotonic() - since < _SILENT_S:
            raise unanswered(service, operation)

    def renew(self) -> bool:
        """Read the credentials again (profile files, single sign-on cache), as after signing in in another terminal.

        False where they come from this process's environment variables, which nobody outside can change.
        """
        with translated("sts", "GetCredentials", profile=self._profile):
            held = self._session.get_credentials()
        if held is not None and held.method == "env":
            return False
        self._session = _opened(self._profile, self.region)
        self._client.cache_clear()
        return True

    def database_token(self, *, host: str, port: int, user: str) -> str:
        """Return a token that a database user signs in with for a quarter of an hour. No call to AWS is made.

        Raises:
            CredentialsRefused: there are no credentials to sign with, or they cannot be renewed.
        """
        with translated("rds", "GenerateDBAuthToken", profile=self._profile):
            made = self.client("rds").generate_db_auth_token(
                DBHostname=host, Port=port, DBUsername=user, Region=self.region
            )
        return str(made)

    def identity(self) -> Identity:
        """Ask AWS who we are; it needs no permission.

        Raises:
            CredentialsRefused: no, invalid or expired credentials.
            Unreachable: no answer from AWS.
        """
        self.refuse_silent("sts", "GetCallerIdentity")
        with translated("sts", "GetCallerIdentity", profile=self._profile):
            answer = self.client("sts").get_caller_identity()
        announce("aws-caller", arn=answer["Arn"], account=answer["Account"], region=self.region)
        return Identity(account=answer["Account"], arn=answer["Arn"])


def _opened(profile: str, region: str) -> boto3.Session:
    """Open boto3's session. Where a profile asks for an MFA code, a run that nobody watches says so."""
    inner = _botocore_session()
    session = boto3.Session(profile_name=profile or None, region_name=region or None, botocore_session=inner)
    inner.get_component("credential_provider").get_provider("assume-role")._prompter = sign_in.ask_for_code
    return session


def _botocore_session() -> botocore.session.Session:
    """Make a session that reads times in plain UTC.

    botocore returns them in the machine's own zone, at 25 microseconds each: a year of daily metrics has a million.
    """
    session = botocore.session.Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_utc_moment)
    return session


def _utc_moment(value: str | int | float) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        moment = datetime.fromisoformat(value)  # what RDS writes, a hundred times as fast as botocore's own reading
    except ValueError:
        moment = parse_timestamp(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def connect(*, region: str = "", profile: str = "", attempts: int = 0) -> AwsSession:
    """Open a session. Empty values mean what the environment and AWS's own config files say.

    `attempts` is how often a call is tried at most; 0 means as often as a restore is worth.

    Raises:
        InputRefused: the profile or the region does not exist, or no region is set anywhere.
    """
    try:
        session = _opened(profile, region)
    except ProfileNotFound as error:
        names = ", ".join(botocore.session.Session().available_profiles) or "none"
        raise InputRefused(
            f'There is no AWS profile "{profile}" on this machine.',
            hint=f"Profiles found: {names}. Set `profile`, or leave it empty to use the environment.",
        ) from error
    except BotoCoreError as error:
        raise InputRefused(f"AWS's configuration cannot be read: {error}.", hint="Mend ~/.aws/config.") from error
    chosen = session.region_name
    if not chosen:
        raise InputRefused("No AWS region is set.", hint='Set `region`, for example "ap-northeast-1".')
    known = {name for part in session.get_available_partitions() for name in session.get_available_regions("rds", part)}
    if chosen not in known:
        raise InputRefused(
            f'There is no AWS region "{chosen}" with RDS that this version of boto3 knows.',
            hint='Check the spelling, for example "ap-northeast-1"; for a brand-new region update boto3.',
        )
    fewer = Config(retries={"mode": "standard", "total_max_attempts": attempts}) if attempts else None
    return AwsSession(session, chosen, _PATIENCE.merge(fewer) if fewer else _PATIENCE, profile=profile)
