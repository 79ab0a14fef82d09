"""Open the database of a cluster with the credentials AWS keeps for it."""

from __future__ import annotations

import json
import os

from runbook_lib.aws import AwsSession, declare
from runbook_lib.clusters import Cluster
from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Credentials, Database, Endpoint, connect
from runbook_lib.redaction import remember

GET_SECRET = declare("secretsmanager", "GetSecretValue", permissions=("secretsmanager:GetSecretValue", "kms:Decrypt"))
BY_TOKEN = "iam:"  # noqa: S105  # a prefix
"""How `secret` begins when it names a database user that signs in by IAM."""


def credentials_for(session: AwsSession, cluster: Cluster, *, secret: str = "") -> Credentials:
    """Resolve the database account: the named secret, else the cluster's managed one, else the environment.

    The environment's names are RUNBOOK_MYSQL_USER and RUNBOOK_MYSQL_PASSWORD. A secret holds JSON with `username`
    and `password`, as RDS writes it. The password is remembered for redaction before it is returned. A `secret` of
    "iam:USER" means IAM database authentication: a token for each connection, no secret at all (Aurora User Guide,
    "IAM database authentication").

    Raises:
        InputRefused: none of them is there, the secret does not hold an account, or the cluster takes no tokens.
    """
    if secret.startswith(BY_TOKEN):
        return _by_token(session, cluster, secret.removeprefix(BY_TOKEN).strip())
    name = secret or cluster.secret_arn
    if name:
        answer = GET_SECRET(session, SecretId=name)
        return _account(answer.get("SecretString") or "", name)
    user, password = os.environ.get("RUNBOOK_MYSQL_USER", ""), os.environ.get("RUNBOOK_MYSQL_PASSWORD", "")
    if user:
        return Credentials(user=user, password=remember(password, kind="database password"))
    raise InputRefused(
        f'There is no database account for the cluster "{cluster.identifier}".',
        hint='Set `secret` to a Secrets Manager name or to "iam:USER", or RUNBOOK_MYSQL_USER and '
        "RUNBOOK_MYSQL_PASSWORD in the environment; a cluster with a managed master password needs neither.",
    )


def _by_token(session: AwsSession, cluster: Cluster, user: str) -> Credentials:
    if not user:
        raise InputRefused("`secret` names no database user.", hint='Write "iam:USER", the name of a database user.')
    if cluster.raw.get("IAMDatabaseAuthenticationEnabled") is not True:
        raise InputRefused(
            f'IAM database authentication is not enabled on the cluster "{cluster.identifier}".',
            hint="Use a secret, or enable it on the cluster; a database user must be made for it too.",
        )

    def token(endpoint: Endpoint) -> str:
        found = session.database_token(host=endpoint.host, port=endpoint.port, user=user)
        return remember(found, kind="database token")

    return Credentials(user=user, token=token)


def _account(text: str, name: str) -> Credentials:
    remember(text, kind="secret value")
    try:
        content = json.loads(text)
        return Credentials(
            user=str(content["username"]), password=remember(str(content["password"]), kind="database password")
        )
    except (ValueError, KeyError, TypeError):
        # From None: the parser's error would quote the secret.
        raise InputRefused(
            f'The secret "{name}" does not hold a database account.',
            hint='It must be JSON with "username" and "password".',
        ) from None


def open_database(cluster: Cluster, credentials: Credentials) -> Database:
    """Connect to a cluster's writer endpoint. Raises as `runbook_lib.mysql.connect`."""
    return connect(cluster.endpoint, credentials)
