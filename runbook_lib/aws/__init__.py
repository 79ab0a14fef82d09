"""The outside world, AWS: the only importer of boto3."""

from runbook_lib.aws.calls import AwsCall, declare, declared
from runbook_lib.aws.session import AwsSession, Identity, connect

__all__ = ["AwsCall", "AwsSession", "Identity", "connect", "declare", "declared"]
