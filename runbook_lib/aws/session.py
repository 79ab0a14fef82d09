"""Sessions with AWS: who we are, where, and how patiently we ask."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.utils import parse_timestamp

from runbook_lib import __version__
from runbook_lib.aws.translate import translated
from runbook_lib.errors import InputRefused
from runbook_lib.events import announce

log = logging.getLogger(__name__)

# RDS throttles by account, and a run may share it with automation: adaptive slows down instead of giving up.
# Source: botocore's retries guide; `standard` with 3 tries is the default since botocore 1.44.
_PATIENCE = Config(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    user_agent_extra=f"aurora-recovery-runbooks/{__version__}",
    connect_timeout=10,
    read_timeout=60,
)


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

    def client(self, service: str, *, region: str = "") -> Any:
        """Return the boto3 client of a service, made once. `region` only for services that live elsewhere."""
        return self._client(service, region or self.region)

    def _make_client(self, service: str, region: str) -> Any:
        with translated(service, "connect"):
            make: Any = self._session.client  # its stubs know services only as literals
            return make(service, region_name=region, config=self._patience)

    def renew(self) -> bool:
        """Read the credentials again (profile files, single sign-on cache), as after signing in in another terminal.

        False where they come from this process's environment variables, which nobody outside can change.
        """
        held = self._session.get_credentials()
        if held is not None and held.method == "env":
            return False
        self._session = boto3.Session(
            profile_name=self._profile or None, region_name=self.region, botocore_session=_botocore_session()
        )
        self._client.cache_clear()
        return True

    def database_token(self, *, host: str, port: int, user: str) -> str:
        """Return a token that a database user signs in with for a quarter of an hour. No call to AWS is made.

        Raises:
            CredentialsRefused: there are no credentials to sign with, or they cannot be renewed.
        """
        with translated("rds", "GenerateDBAuthToken"):
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
        with translated("sts", "GetCallerIdentity"):
            answer = self.client("sts").get_caller_identity()
        announce("aws-caller", arn=answer["Arn"], account=answer["Account"], region=self.region)
        return Identity(account=answer["Account"], arn=answer["Arn"])


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
        session = boto3.Session(
            profile_name=profile or None, region_name=region or None, botocore_session=_botocore_session()
        )
    except ProfileNotFound as error:
        names = ", ".join(boto3.Session().available_profiles) or "none"
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
