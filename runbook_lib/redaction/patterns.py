"""What looks like a secret wherever it stands.

Patterns are a second net: they catch well-known shapes and values written beside a telling name. A password that
nobody remembered and that stands alone looks like any other word and is not caught; that is what `remember` is for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_WORD = (
    r"(?:password|passwd|passphrase|pwd|secret[_-]?access[_-]?key|secret[_-]?key|client[_-]?secret|"
    r"(?:session|security|access|auth|refresh|bearer)[_-]?token|api[_-]?key|private[_-]?key|"
    r"(?<!:)secret(?!smanager|[_-]?(?:arn|id|name|kms)))"
)
_INNOCENT = r"(?!\[removed:|arn:aws|None\b|null\b|True\b|False\b|\*+(?:\W|$)|\.\.\.|[<${])"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A shape of secret. The group `secret` is what is removed; `accept` has the last word."""

    kind: str
    shape: re.Pattern[str]
    accept: Callable[[str], bool] = bool
    needs: tuple[str, ...] = ()  # a text with none of these (in small letters) cannot hold it and is passed over


def _looks_random(text: str) -> bool:
    """Tell a bare AWS secret access key (40 signs of base64) from a hash, a path or a long word."""
    mixed = re.search(r"[a-z]", text) and re.search(r"[A-Z]", text) and re.search(r"\d", text)
    counts = Counter(text).values()
    entropy = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return bool(mixed) and entropy > 4.2  # random base64 of 40 signs has 4.6 on average; paths stay below 4.1


def _has_sign_or_digit(text: str) -> bool:
    return len(text) >= 6 and not text.isalpha()


def _not_code(text: str) -> bool:
    """Tell a value from a call (`password=getpass()`) and from a name handed on (`secret=secret`)."""
    return not re.match(r"[\w.]+\(", text) and text not in ("secret", "password", "token")


def _not_an_ordinary_word(text: str) -> bool:
    return text.lower() not in {"true", "false", "none", "null", "yes", "no", "unchanged", "managed"}


_TELLING = ("passw", "passphrase", "pwd", "secret", "token", "key")

PATTERNS = (
    Pattern(
        kind="private key",
        shape=re.compile(
            r"(?P<secret>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z))",
            re.DOTALL,
        ),
    ),
    Pattern(kind="JWT", shape=re.compile(r"(?P<secret>\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)")),
    Pattern(
        kind="AWS session token",
        shape=re.compile(r"(?P<secret>\b(?:FwoG|IQoJ|FQoG|AQoD)[A-Za-z0-9/+=%_-]{90,})"),
    ),
    Pattern(kind="AWS access key", shape=re.compile(r"(?<![A-Za-z0-9])(?P<secret>A[KS]IA[A-Z0-9]{16})(?![A-Za-z0-9])")),
    Pattern(
        kind="AWS secret key",
        shape=re.compile(r"(?<![A-Za-z0-9/+=])(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
        accept=_looks_random,
    ),
    Pattern(kind="token", shape=re.compile(r"(?P<secret>\b(?:gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[\w-]{10,}))")),
    Pattern(
        kind="webhook address", shape=re.compile(r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[\w/]{8,})")
    ),
    Pattern(
        kind="AWS signature",
        shape=re.compile(r"X-Amz-(?:Signature|Security-Token|Credential)=(?!\[removed:)(?P<secret>[^&\s\"'<>]+)"),
    ),
    Pattern(
        kind="password in a URL",
        shape=re.compile(r"(?<=://)[^\s:/@\"'<>]*:(?!\[removed:)(?P<secret>[^\s/\"'<>]+)(?=@)"),
    ),
    Pattern(
        kind="password in a DSN",
        shape=re.compile(r"\b[\w.-]{1,64}:(?!\[removed:)(?P<secret>[^\s:@/\"'<>]+)@(?=(?:tcp|tcp6|unix)\()"),
    ),
    Pattern(
        kind="authorization",
        shape=re.compile(
            r"(?i)authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+(?!\[removed:)(?P<secret>[\w.+/=~-]+)"
        ),
    ),
    Pattern(
        kind="password",
        shape=re.compile(
            r"(?i)identified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?(?P<q>['\"])(?!\[removed:)(?P<secret>.+?)(?P=q)"
        ),
    ),
    Pattern(
        kind="password",
        shape=re.compile(
            rf"(?i){_WORD}[\w-]{{0,40}}\\?[\"']?\s*[:=]\s*(?P<q>\\?[\"'])(?!\[removed:)(?P<secret>.+?)(?P=q)"
        ),
        accept=_not_an_ordinary_word,
        needs=_TELLING,
    ),
    Pattern(
        kind="password",
        shape=re.compile(rf"(?i){_WORD}[\w-]{{0,40}}\s*=\s*{_INNOCENT}(?P<secret>[^\s\"',;&)<>]+)"),
        accept=_not_code,
        needs=_TELLING,
    ),
    Pattern(
        kind="password",
        shape=re.compile(rf"(?im){_WORD}[\w-]{{0,40}}[\"']?\s*:\s*{_INNOCENT}(?P<secret>[^\s\"',;&<>]+)\s*$"),
        accept=_has_sign_or_digit,
        needs=_TELLING,
    ),
    Pattern(kind="password", shape=re.compile(rf"(?i)--password\s+{_INNOCENT}(?P<secret>[^\s\"'-][^\s\"']*)")),
)

_NAME = re.compile(r"(?i)password|passwd|passphrase|\bpwd\b|_pwd|secret|token|api_?key|private_?key|credential")
_ONLY_A_REFERENCE = re.compile(r"(?i)_(arn|id|ids|name|names|ref|env|variable|file|path|count|days)$")


def looks_secret(text: str) -> str:
    """Return the kind of secret a text looks like or contains, or nothing."""
    for pattern in PATTERNS:
        for found in pattern.shape.finditer(text):
            if pattern.accept(found["secret"]):
                return pattern.kind
    return ""


def secret_name(name: str) -> str:
    """Return the kind of secret a parameter's name promises, or nothing; `master_secret_arn` only refers to one."""
    found = _NAME.search(name)
    return found[0].strip("_").lower() if found and not _ONLY_A_REFERENCE.search(name) else ""
