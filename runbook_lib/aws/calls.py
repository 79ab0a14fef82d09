"""Every AWS call is declared where it is made: what it is, whether it changes anything, which permission it needs.

The least-privilege policy and the checks before a restore are made from these declarations, so they cannot drift
from the code.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name

from runbook_lib.aws.session import REGIONS, AwsSession
from runbook_lib.aws.translate import translated

log = logging.getLogger(__name__)

_SAY_EVERY_S = 5.0  # a long list shows how far it has been read


@dataclass(frozen=True, kw_only=True)
class AwsCall:
    """One AWS operation, callable with a session.

    `operation` is AWS's own name ("DescribeDBClusters"). `permissions` are the IAM actions it needs.
    `items` names the list in the answer that `pages` walks. `region` pins services that live in one region only.
    """

    service: str
    operation: str
    mutates: bool = False
    items: str = ""
    permissions: tuple[str, ...] = field(default=())
    region: str = ""

    def __call__(self, session: AwsSession, **request: Any) -> dict[str, Any]:
        """Make the call once and return the answer. Raises the errors of `runbook_lib.errors`, never boto3's."""
        method = xform_name(self.operation)
        session.refuse_silent(self.service, self.operation, region=self.region)
        with translated(self.service, self.operation, profile=session.profile):
            answer = getattr(session.client(self.service, region=self.region), method)(**request)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def pages(self, session: AwsSession, **request: Any) -> Iterator[dict[str, Any]]:
        """Walk every page and return the entries of `items`, each as it comes.

        AWS gives the pages of one list one after another only; several lists can be read beside each other.
        """
        paginator = session.client(self.service, region=self.region).get_paginator(xform_name(self.operation))
        session.refuse_silent(self.service, self.operation, region=self.region)
        with translated(self.service, self.operation, profile=session.profile):
            said, count = time.monotonic(), 0
            for page in paginator.paginate(**request):
                entries = page.get(self.items, ())
                count += len(entries)
                if time.monotonic() - said > _SAY_EVERY_S:
                    said = time.monotonic()
                    log.info("%s: %d read so far", self.operation, count)
                yield from entries


_declared: list[AwsCall] = []


def declare(
    service: str,
    operation: str,
    *,
    mutates: bool = False,
    items: str = "",
    permissions: tuple[str, ...] = (),
) -> AwsCall:
    """Declare a call at the top of the module that makes it. The permission is `service:operation` unless given."""
    call = AwsCall(
        service=service,
        operation=operation,
        mutates=mutates,
        items=items,
        permissions=permissions or (f"{service}:{operation}",),
        region=REGIONS.get(service, ""),
    )
    _declared.append(call)
    return call


def declared() -> tuple[AwsCall, ...]:
    """Return every call declared by the modules imported so far."""
    return tuple(_declared)
