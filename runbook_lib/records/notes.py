"""Notes to people while nobody watches: at the start, at the end, and when a plan waits for approval.

A note has a time limit and its failure never matters to the run. The address of a webhook is a secret of its own,
so it is nowhere in the record. SNS and webhooks are written to by this module; every other address (slack://,
pagerduty://, mailto://, …) is Apprise's. A service of incidents gets one incident for a notebook and its cluster, under
one key, resolved when a later run ends well; a note that is sent twice is one entry there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.aws import connect, declare
from runbook_lib.errors import InputRefused
from runbook_lib.plain import for_chat, plain
from runbook_lib.records.signs import OPENER

log = logging.getLogger(__name__)

PUBLISH = declare("sns", "Publish", mutates=True)
NOTIFY_VARIABLE = "RUNBOOK_NOTIFY"
_LIMIT_SECONDS = 10.0
_INCIDENTS = ("pagerduty:", "opsgenie:", "pagertree:")
"""Addresses where a note is an incident: they get no word of a run that begins or waits."""

Kind = Literal["word", "trouble", "over"]


@dataclass(frozen=True, kw_only=True)
class About:
    """What a note is about, as a service of incidents needs it. With `only_incidents` it goes to these alone."""

    what: str
    kind: Kind
    only_incidents: bool = False

    @property
    def key(self) -> str:
        """Return the key by which notes of one incident are known to belong together."""
        return hashlib.sha256(f"recovery runbooks: {self.what}".encode()).hexdigest()[:32]


_WORD = About(what="", kind="word")


class _NotTaken(Exception):
    """Whoever was to take the note answered something else than that it did."""


class Notes:
    """Where notes of one run go: SNS topic ARNs, webhook addresses, addresses of Apprise."""

    def __init__(self, addresses: Sequence[str], *, region: str = "", profile: str = "") -> None:
        for address in addresses:
            if not address.startswith(("arn:", "https://", "http://")) and not _is_apprises(address):
                raise InputRefused(
                    "A note can go to an SNS topic (arn:aws:sns:…), a webhook (https://…) or an address of Apprise.",
                    hint=f"Check --notify and ${NOTIFY_VARIABLE}; Apprise's pages list slack://, pagerduty://, mailto://…",
                )
        self._addresses = tuple(addresses)
        self._region = region
        self._profile = profile
        self._sending: list[threading.Thread] = []

    def send(self, subject: str, facts: dict[str, Any], *, about: About = _WORD) -> None:
        """Send a note in the background."""
        for address in self._addresses:
            incidents = address.startswith(_INCIDENTS)
            if (incidents and about.kind == "word") or (about.only_incidents and not incidents):
                continue
            sending = threading.Thread(target=self._try, args=(address, subject, facts, about), daemon=True)
            sending.start()
            self._sending.append(sending)

    def close(self) -> None:
        """Wait for notes on their way, but not longer than one may take."""
        until = time.monotonic() + _LIMIT_SECONDS
        for sending in self._sending:
            sending.join(max(0.0, until - time.monotonic()))
            if sending.is_alive():
                log.warning("A note was not delivered within %d s; it is not waited for.", _LIMIT_SECONDS)

    def _try(self, address: str, subject: str, facts: dict[str, Any], about: About) -> None:
        text = "\n".join([subject, *(f"{name}: {value}" for name, value in facts.items() if value)])
        try:
            if address.startswith("arn:"):
                session = connect(region=self._region or address.split(":")[3], profile=self._profile, attempts=3)
                one_line = " ".join(plain(subject).split())  # SNS refuses a subject of several lines
                PUBLISH(session, TopicArn=address, Subject=one_line[:100], Message=plain(text))
            elif not address.startswith(("https://", "http://")):
                _by_apprise(address, subject, text, about)
            else:
                body = json.dumps({"text": for_chat(text), "run": facts}).encode()
                request = urllib.request.Request(  # noqa: S310 # its scheme was checked
                    address, data=body, headers={"Content-Type": "application/json"}
                )
                with OPENER.open(request, timeout=_LIMIT_SECONDS) as answer:
                    if not 200 <= answer.status < 300:
                        raise _NotTaken(f"it answered {answer.status}")
        except urllib.error.HTTPError as error:
            why = f"it was sent on to another address ({error.code})" if 300 <= error.code < 400 else f"{error.code}"
            log.warning("The note “%s” was not delivered to the webhook: %s", subject, why)
        except Exception as error:  # noqa: BLE001 # whatever goes wrong here must not matter to the run
            kind = "SNS topic" if address.startswith("arn:") else address.partition(":")[0]
            kind = "webhook" if kind in ("http", "https") else kind
            why = str(error) if isinstance(error, _NotTaken) else type(error).__name__
            log.warning("The note “%s” was not delivered to the %s: %s", subject, kind, why)


def _is_apprises(address: str) -> bool:
    import apprise  # takes a while, and most notes need none

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings repeat addresses, which are secrets
    return apprise.Apprise.instantiate(address, suppress_exceptions=True) is not None


def _by_apprise(address: str, subject: str, text: str, about: About) -> None:
    """Hand a note to Apprise, whose plugins know the services. Raises _NotTaken where it was not delivered."""
    import apprise

    types = {"word": apprise.NotifyType.INFO, "trouble": apprise.NotifyType.FAILURE, "over": apprise.NotifyType.SUCCESS}
    if address.startswith("pagerduty:"):
        joined = "&" if "?" in address else "?"
        address += "".join(
            f"{'&' if number else joined}{name}={value}"
            for number, (name, value) in enumerate([("action", "map"), ("dedup", about.key)])
        )
    service = apprise.Apprise()
    if not service.add(address):
        raise _NotTaken("Apprise does not know this address")
    if not service.notify(body=plain(text), title=plain(subject)[:200], notify_type=types[about.kind]):
        raise _NotTaken("the service did not take it")
