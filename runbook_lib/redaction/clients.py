"""Secrets by how database clients, SQL, URLs, headers and command lines carry them, where no name stands beside the value."""

from __future__ import annotations

import re

from runbook_lib.redaction.vendors import Shape

_I = re.IGNORECASE
# A quoted literal: backslashes and doubled quotes belong to it. The text within is the secret.
_QUOTED = r"(?:'(?:[^'\\\n]|\\.|''){0,512}'|\"(?:[^\"\\\n]|\\.|\"\"){0,512}\")"
_SECRET = rf"(?P<secret>{_QUOTED})"
_WORD = r"(?P<secret>'[^'\n]{1,512}'|\"[^\"\n]{1,512}\"|[^\s'\"`]\S{0,511})"
_CLIENT = r"(?<![\w./-])(?:[\w./-]{0,100}/)?(?:mysql[\w-]{0,20}|mariadb[\w-]{0,20}|mydumper|myloader|mytop|innotop|xtrabackup|pt-[\w-]{1,40}|mongo\w{0,10})"

_VERB = re.compile(
    r"(?i)\b(?:is|are|was|were|be|been|being|got|get|gets|it|them|and|or|can|could|must|easily|best|only|also|not)\s+$"
)
_WITHOUT_PASSWORD = re.compile(r"(?i)AWSAuthentication|socket|pam|ldap|kerberos|gssapi|windows|oci|webauthn|fido")
_NO_PASSWORD = re.compile(r"(?i)-p(?:arallel|lugin|ort|rotocol|ager|rogress|rompt|ipe)\b")
_TIME = re.compile(r"\d{1,2}(?::\d\d)?(?:\.\d+)?")
_PORT = re.compile(r"\d{1,5}(?:[/?#]|$)")


def _sql_clause(found: re.Match[str]) -> bool:
    """Tell the clause of SQL from a sentence: `was identified as '…'` and `can be identified by "…"` are prose."""
    plugin = found["plugin"] or ""
    if found["how"].lower() != "by" and (not plugin or _WITHOUT_PASSWORD.search(plugin)):
        return False
    return not _VERB.search(found.string, max(0, found.start() - 16), found.start())


def _not_an_option(found: re.Match[str]) -> bool:
    return not _NO_PASSWORD.match(f"-p{found['secret']}")


def _not_a_time(found: re.Match[str]) -> bool:
    return not _TIME.fullmatch(found["secret"])


def _not_a_port(found: re.Match[str]) -> bool:
    """Tell `user:password@` from `host:8080/path?at=a@b`."""
    return not _PORT.match(found["secret"])


def _of_pgpass(found: re.Match[str]) -> bool:
    return bool(re.search(r"[A-Za-z*]", found["db"])) and not re.search(
        r"\.(?:py|c|h|cc|js|ts|go|rs|sql|sh|java|log)$", found["host"]
    )


def _of_a_header(found: re.Match[str]) -> bool:
    """Tell a header from a sentence about one: after a comma, as in a list of names, the scheme must be said."""
    value = found["secret"].rstrip(".").lower()
    words = ("bearer", "basic", "required", "header", "headers", "denied", "failed", "missing", "aws4-hmac-sha256")
    return value not in words and bool(found["scheme"] or (found["sep"] != "," and re.search(r"\d", value)))


def _not_an_ordinary_word(found: re.Match[str]) -> bool:
    from runbook_lib.redaction.assigned import is_placeholder

    return not is_placeholder(found["secret"].strip("'\"`,;"))


SHAPES = (
    Shape(
        kind="password",
        pattern=rf"\bidentified\s{{1,20}}(?:(?P<plugin>(?:with|via)\s{{1,20}}['\"]?\w{{1,64}}['\"]?)\s{{1,20}})?(?P<how>by|as|using)\s{{1,20}}(?:password\s{{0,20}}\(?\s{{0,20}})?{_SECRET}", flags=_I,
        needs=("identified",), folded=True, accept=_sql_clause,
    ),
    Shape(kind="password", pattern=rf"['\"]\s{{1,20}}replace\s{{1,20}}{_SECRET}(?=\s{{0,20}}(?:retain|require|account|password|,|;|$))", flags=_I, needs=("replace",), folded=True),
    Shape(
        kind="password",
        pattern=rf"\bset\s{{1,20}}password(?:\s{{1,20}}for\s{{1,20}}[^\s=]{{1,200}}(?:\s{{0,20}}@\s{{0,20}}[^\s=]{{1,200}})?)?\s{{0,20}}(?:=|\bto\b)\s{{0,20}}(?:(?:old_)?password\s{{0,20}}\(\s{{0,20}})?{_SECRET}", flags=_I,
        needs=("password",), folded=True,
    ),
    Shape(kind="password", pattern=rf"\bpassword\s{{0,8}}\(\s{{0,8}}{_SECRET}", flags=_I, needs=("password",), folded=True),
    Shape(kind="password", pattern=rf"(?:\bPASSWORD|(?<=[(,])\s{{0,8}}[Pp]assword)\s{{1,8}}{_SECRET}", needs=("password",), folded=True),
    Shape(kind="encryption key", pattern=rf"\b(?:aes_|des_)?(?:en|de)crypt\s{{0,8}}\([^()\n]{{1,300}}?,\s{{0,8}}{_SECRET}", flags=_I, needs=("crypt",), folded=True),
    Shape(
        kind="password",
        pattern=rf"\brds_set_external_(?:master|source)\w{{0,40}}\s{{0,8}}\(\s{{0,40}}{_QUOTED}\s{{0,40}},\s{{0,40}}\d{{1,5}}\s{{0,40}},\s{{0,40}}{_QUOTED}\s{{0,40}},\s{{0,40}}{_SECRET}", flags=_I,
        needs=("rds_set_external_",), folded=True,
    ),
    Shape(
        kind="password",
        pattern=rf"(?<![A-Za-z0-9])(?:connect|mysqli?|PDO)\s{{0,8}}\(\s{{0,40}}{_QUOTED}\s{{0,40}},\s{{0,40}}{_QUOTED}\s{{0,40}},\s{{0,40}}{_SECRET}",
        needs=("connect(", "connect (", "mysql", "PDO"),
    ),
    # command lines
    Shape(kind="password", pattern=rf"{_CLIENT}\b[^\n|;&]{{0,400}}?\s-p{_WORD}", needs=("-p",), accept=_not_an_option),
    Shape(kind="password", pattern=rf"\b(?:sshpass|mydumper|myloader|mongo\w{{0,10}}|snmp\w{{0,10}})\b[^\n|;&]{{0,200}}?\s-p\s{{1,8}}{_WORD}", needs=("-p ",)),
    Shape(kind="password", pattern=rf"\bsshpass\s{{1,8}}-p{_WORD}", needs=("sshpass",)),
    Shape(kind="password", pattern=r"\bmysqlsh\b[^\n|;&]{0,200}?[\s='\"][\w.%+-]{1,64}:(?P<secret>[^\s'\"@/]{1,256})@[\w\[(]", needs=("mysqlsh",)),
    Shape(kind="password", pattern=rf"\bredis-cli\b[^\n|;&]{{0,200}}?\s(?:-a|--pass)\s{{1,8}}{_WORD}", needs=("redis-cli",)),
    Shape(kind="password", pattern=r"\bcurl\b[^\n|;]{0,400}?\s(?:-u\s{0,8}|--(?:proxy-)?user[ =]{1,8})['\"]?[^\s:'\"]{1,100}:(?P<secret>[^\s'\"]{1,512})", needs=("curl",)),
    Shape(
        kind="password",
        pattern=rf"(?<![\w-])--[\w-]{{0,40}}(?:password|passwd|passphrase|secret|secret-string|secret-key|token|api-?key|private-key|auth-key)(?:\s{{1,8}}|=){_WORD}", flags=_I,
        needs=("--",), accept=lambda found: not found["secret"].startswith("-") and _not_an_ordinary_word(found),
    ),
    Shape(kind="password", pattern=rf"\bConvertTo-SecureString\s{{1,8}}(?:-String\s{{1,8}})?{_SECRET}", flags=_I, needs=("securestring",), folded=True),
    # files of clients
    Shape(kind="password", pattern=r"\b(?:login|username)\s{1,20}\S{1,200}\s{1,20}(?:password|passwd)\s{1,20}(?P<secret>\S{1,512})", flags=_I, needs=("passw",), folded=True),
    Shape(kind="password", pattern=r"(?m)^[ \t]{0,20}(?:password|passwd)[ \t]{1,8}(?P<secret>\S{1,512})[ \t]{0,20}$", needs=("passw",), accept=_not_an_ordinary_word),
    Shape(kind="password", pattern=r"(?m)^(?P<host>[^\s:#]{1,255}):(?:\d{2,5}|\*):(?P<db>[^\s:]{1,63}):[^\s:\d][^\s:]{0,62}:(?P<secret>(?:[^\s:\\]|\\.){1,512})$", needs=(":",), accept=_of_pgpass),
    # addresses
    Shape(
        kind="password in a URL",
        pattern=r"(?<=://)[^\s:/@\"'<>]{0,200}:(?P<secret>[^\s\"'<>]{1,512})(?=@[\w.\[\]:%-]{1,255}(?:[/?#:,;)\]}\s\"'<>]|$))",
        needs=("://",), accept=_not_a_port,
    ),
    Shape(
        kind="password in a DSN",
        pattern=r"(?<![\w.:-])[\w.-]{1,64}:(?P<secret>[^\s\"'<>]{1,256}?)(?=@(?:tcp6?|unix|cloudsql\w{0,10})\()",
        needs=("@tcp", "@unix", "@cloudsql"), accept=_not_a_time,
    ),
    # headers
    Shape(
        kind="authorization",
        pattern=r"authorization\\{0,4}(?:[\"']|&quot;|&#3[49];)?\s{0,8}(?P<sep>[:=,])\s{0,8}(?:[bru]{1,2}(?=\\{0,4}[\"']))?\\{0,4}(?:[\"']|&quot;|&#3[49];)?"
            r"(?P<scheme>(?:bearer|basic|token|apikey|negotiate|digest|key)\s{1,8})?(?P<secret>[^\s\"'<>,;\\]{6,4096})", flags=_I,
        needs=("authorization",), folded=True, accept=_of_a_header,
    ),
    Shape(kind="authorization", pattern=r"\bbearer\s{1,8}(?P<secret>[\w.+/=~-]{16,4096})", flags=_I, needs=("bearer",), folded=True, accept=lambda found: bool(re.search(r"\d", found["secret"]))),
    Shape(kind="cookie", pattern=r"(?m)\b(?:set-)?cookie\\{0,4}[\"']?\s{0,8}:\s{0,8}\\{0,4}[\"']?(?P<secret>[\w.%-]{1,100}=[^\n\"']{8,4096})", flags=_I, needs=("cookie",), folded=True),
)  # fmt: skip
