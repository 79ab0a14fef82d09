"""Values beside a name that tells: `password = …`, `"api_key": "…"`, `MYSQL_PWD=…`, `<password>…</password>`.

Two questions decide. Is the name one of a secret, and not of something about one (`password_resets`, `secret_arn`)? Is
the value a value, and not a placeholder, a reference or code? What a name says weakly (`secret=`, `token=`) is a secret
only if the value looks like one: a name of a secret is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runbook_lib.redaction.vendors import entropy

_STEM = re.compile(r"pass|pwd|secret|token|key|credential")
_BEFORE, _AFTER = 100, 1200  # signs around a telling word that may belong to a name and its value
NEEDS = ("pass", "pwd", "secret", "token", "key", "credential")

_STRONG = (
    r"pass(?:word|wd|phrase|code)|pwd|(?:secret[_-]?)?access[_-]?key|"
    r"(?:secret|private|api|app|account|encryption|signing|master|shared|auth|subscription|storage|license|hmac|session)[_-]?key|"
    r"(?:client|app|application|consumer|shared|webhook|jwt|signing|cookie|oauth)[_-]?secret|secret[_-]?(?:string|value)|"
    r"(?:session|security|access|auth|authentication|refresh|bearer|id|api|admin|bot|user|personal|deploy|service|vault)[_-]?token|"
    r"credentials?"
)
_NAME = re.compile(
    rf"(?i)(?P<word>{_STRONG}|secret|token|pass)(?P<rest>[\w-]{{0,40}})"
    r"(?P<close>\\{0,7}(?:[\"'`]|&quot;|&#3[49];|&#x27;|&apos;)?\]?)"
    r"(?P<sep>[ \t]{0,40}(?:=>|:=|=(?![=~])|:(?!:)|%3D)[ \t]{0,40})"
)
# What follows a telling word and makes the name one of something *about* a secret.
_ABOUT = re.compile(
    r"(?i)[_-]?(?:arns?|ids?|names?|refs?|references?|env|var|variables?|files?|paths?|dirs?|folders?|counts?|days|hours|"
    r"minutes|seconds|ttl|age|expir\w*|length|len|min\w*|max\w*|polic\w*|resets?|hints?|prompts?|fields?|columns?|types?|"
    r"enabled|disabled|required|optional|lifetime|rotat\w*|urls?|uris?|endpoints?|attempts?|histor\w*|reuse\w*|changed\w*|last\w*|"
    r"plugins?|status|state|valid\w*|version\w*|manager\w*|kms\w*|source|store|provider|check\w*|kind|label|algorithm|created\w*|"
    r"updated\w*|used|usage|limit|index|set|is|was|given|known|bytes|bits|size|format|method|mode|auth\w*|number|no|per|and|or|of|"
    r"word|words|less|scanner|figures?|pattern\w*|masked|redacted|removed|hidden|hash_algorithm|scope\w*|owner|error|errors)(?![a-z])"
)
_TAIL = re.compile(r"(?:[_.-]?(?:\d{1,4}|[A-Za-z]\w{0,39}))?(?:-\w{0,39})?")
_LONGEST = 1024  # of a value that is looked at; a longer one is a secret, to the next white space
_PAGING = re.compile(
    r"(?i)(?:next|continuation|continue|paging|pagination|page|start|client|request|idempotency|sync|change|cancel|lexer|syntax|stop|last|first)[_-]?$"
)
_PLAIN_PASS = re.compile(r"(?:^|[^A-Za-z])$|[a-z]$")
_PLACEHOLDER = re.compile(
    r"(?i)(?:\[removed:.*|\*+|x{3,}|\.{3}|…|-+|_+|<.*|\$\{?\w.*|\$\(.*|\{\{.*|\{\w*\}?|%\(.*|%s|%\w+%|arn:aws.*|ssm://.*|secretsmanager:.*|vault:.*|"
    r"true|false|none|null|nil|yes|no|on|off|undefined|unchanged|managed|kept|set|unset|changed|required|optional|missing|wrong|incorrect|"
    r"expired|invalid|denied|unknown|empty|hidden|removed|redacted|masked|rotated|generated|random|default|given|is|are|was|not|the|a|an|"
    r"str|string|bytes|int|bool|text|char|varchar(?:\(\d+\))?|secretstr|any|optional\[.*|password|passwd|secret|token|pwd|key|self|"
    r"only|never|and|or|in|of|for|by|with|here|there|must|may|can|does|do|no longer.*|n/a|&nbsp;|[–—]|"
    r"available.*|sha256|basic|bearer)"
)
_CODE = re.compile(
    r"(?:[a-z_]+(?:\.[A-Za-z_]+)*|[A-Za-z_]+(?:\.[A-Za-z_]+)+)[\[(]|(?:self|args|os|config|settings|options|secret|credentials|kwargs|params|account|env)\.[A-Za-z_.]+$|await\s|lambda\b|not\s|f?\"\"\""
)
_A_PATH = re.compile(r"(?:~|\.{0,2}/|[A-Za-z]:\\)[\w./\\@+~-]*$")
_PATH_IN_CODE = re.compile(
    r"(?:~|\.{0,2}/)[\w./@+~-]*(?:['\"`]|&(?:#3[49]|#x27|quot|apos);)\)?(?:<|$)"
)  # print('pwd=/srv')
_SLUG = re.compile(r"[A-Za-z]+\d{0,4}(?:[-_/.:@][A-Za-z]*\d{0,6})*[-_/.]?$")
_NEXT_PAIR = re.compile(r"(?:&amp;|&|;[ \t]?|,[ \t]?)[A-Za-z][\w .-]{0,40}(?:=|:[ \t])|;[ \t]*$")
_NAMES = ("arn:", "rds!cluster-", "rds!db-")  # of secrets: the last two are what AWS calls those it manages
_SPACE = re.compile(r"\s")
_OPENING = re.compile(r"(?P<prefix>[bBrRuUfF]{0,2})(?P<quote>\\{0,7}[\"'`]|&quot;|&#3[49];|&#x27;|&apos;)")
_TAG = re.compile(
    rf"(?i)<(?P<tag>[\w:-]{{0,40}}(?:{_STRONG})[\w-]{{0,20}})(?:\s[^<>]{{0,200}})?>(?P<secret>[^<>]{{1,512}})</"
    rf"|<t[hd][^<>]{{0,80}}>\s{{0,8}}(?:<(?:code|b)>)?[\w -]{{0,40}}?(?:{_STRONG})"
    r"\s{0,8}(?:</(?:code|b)>)?</t[hd]>\s{0,40}<td[^<>]{0,80}>(?P<cell>[^<>]{1,512})</td>"
)
_SETS = re.compile(r"(?i)(?:define|setenv|putenv|setdefault|set|put)$")
_PAIR = re.compile(
    rf"(?i)(?P<of>[\w.]{{0,40}})\(\s{{0,8}}(?P<q>[\"'])[\w.-]{{0,60}}(?:{_STRONG})(?P<rest>[\w-]{{0,40}})(?P=q)\s{{0,8}},\s{{0,8}}(?P<secret>\"[^\"\n]{{1,512}}\"|'[^'\n]{{1,512}}')\s{{0,8}}(?P<end>[,)])"
    rf"|(?P<q2>[\"'])(?:name|key)(?P=q2)\s{{0,8}}:\s{{0,8}}(?P<q3>[\"'])[\w./-]{{0,80}}(?:{_STRONG})(?P<rest3>[\w-]{{0,40}})(?P=q3)\s{{0,8}},\s{{0,40}}[\"']value[\"']\s{{0,8}}:\s{{0,8}}(?P<value>\"[^\"\n]{{1,512}}\"|'[^'\n]{{1,512}}')"
)


def found_in(text: str, folded: str, *, code: bool = False) -> Iterator[tuple[int, int, int]]:
    """Yield where a telling name and the value beside it begin, and where the value ends.

    `folded` is the text in lower case. In `code` only literals are values.
    """
    after = 0
    for start, end in _near(text, folded):
        for name in _NAME.finditer(text, start, end):
            # what stands in a value that was found is a part of it
            if name.start() >= after and (span := _value_at(text, name, code=code)):
                after = span[1]
                yield name.start(), *span
        for found in (*_TAG.finditer(text, start, end), *_PAIR.finditer(text, start, end)):
            if span := _of_a_pair(text, found):
                yield found.start(), *span


def _near(text: str, folded: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text in which a telling word stands, each with what may belong to it."""
    if len(folded) != len(text):
        yield 0, len(text)
        return
    start = end = -1
    for found in _STEM.finditer(folded):
        if found.start() - _BEFORE > end:
            if end >= 0:
                yield start, end
            start = max(0, found.start() - _BEFORE)
        end = min(len(text), found.end() + _AFTER)
    if end >= 0:
        yield start, end


def _of_a_pair(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    groups = found.groupdict()
    group = next(group for group in ("secret", "cell", "value") if groups.get(group))
    start, end = found.span(group)
    if group != "cell" and text[start] in "\"'":
        start, end = start + 1, end - 1
    if "of" in groups and group == "secret":
        if groups["end"] == "," and not _SETS.search(groups["of"]):
            return None  # more than a name and a value: a list of words
        if not groups["of"] and re.fullmatch(r"[A-Za-z_]+", text[start:end]):
            return None  # two names of a pair
    if _ABOUT.match(groups.get("rest") or groups.get("rest3") or "") or is_placeholder(text[start:end].strip()):
        return None
    return start, end


def is_telling(name: str) -> str:
    """Return "strong" for a name whose value is a secret, "weak" where the value has to look like one, or ""."""
    for found in re.finditer(rf"(?i)(?P<word>{_STRONG}|secret|token|pass)(?P<rest>[\w-]*)$", name):
        return _telling(found["word"], found["rest"], name[: found.start()])
    return ""


def is_placeholder(value: str) -> bool:
    """Tell a word that stands where a value would: `None`, `unchanged`, `***`, `${VARIABLE}`, an ARN."""
    return not value or bool(_PLACEHOLDER.fullmatch(value))


def looks_like_one(value: str) -> bool:
    """Tell a secret beside a weak name from the name of one: signs of several kinds, no words set apart by signs."""
    if len(value) < 8 or is_placeholder(value) or _A_PATH.match(value) or value.startswith(_NAMES):
        return False
    if _SLUG.fullmatch(value) and not (len(value) >= 20 and re.search(r"\d", value) and entropy(value) > 3.8):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", r"\d", r"[^\w\s]"))
    return kinds >= 2 and " " not in value


def _telling(word: str, rest: str, before: str) -> str:
    low = word.lower()
    if low == "pass":
        # DB_PASS and dbPass, and neither bypass nor compass nor `pass` among other words of a sentence
        camel = word == "Pass" and re.search(r"[a-z]$", before)
        return (
            "strong"
            if not rest and (camel or re.search(r"[A-Za-z0-9][_.-]$", before))
            else "weak"
            if not rest and re.search(r"(?:^|[^A-Za-z])$", before)
            else ""
        )
    if _ABOUT.match(rest):
        return ""
    if low in ("secret", "token") or low.startswith("credential") or (low in ("pwd",) and before[-3:].lower() == "old"):
        if _PAGING.search(before) or (rest and not re.fullmatch(r"[_-]?(?:\d+|[A-Z_]+)", rest)):
            return ""
        return "weak"
    return "strong" if _TAIL.fullmatch(rest) else ""


def _value_at(text: str, name: re.Match[str], *, code: bool) -> tuple[int, int] | None:
    before = text[max(0, name.start() - 40) : name.start()]
    telling = _telling(name["word"], name["rest"], before)
    if not telling:
        return None
    start = name.end()
    opening = _OPENING.match(text, start)
    if opening:
        begin, end = opening.end(), _closing(text, opening.end(), opening["quote"])
    elif code:
        return None
    else:
        begin, end = start, _bare_end(text, start, name, before)
    value = text[begin:end]
    if telling == "strong" and len(value) >= _LONGEST - 16 and not opening:
        more = _SPACE.search(text, end)
        return begin, more.start() if more else len(text)
    if not value.strip() or is_placeholder(value.strip()):
        return None
    if telling == "weak" and not looks_like_one(value):
        return None
    if not opening and not _is_bare_value(value, name, before):
        return None
    return begin, end


def _closing(text: str, start: int, quote: str) -> int:
    """Return where a quoted literal ends: doubled and escaped quotes belong to it, and a line's end ends it too."""
    line = text.find("\n", start)
    limit = min(len(text) if line < 0 else line, start + _LONGEST)
    at = start
    while (found := text.find(quote, at, limit)) >= 0:
        slashes = found - len(text[start:found].rstrip("\\")) - start
        escaped = (quote[0] not in "\\&" and slashes % 2 == 1) or (quote[0] == "\\" and slashes > 0)
        doubled = len(quote) == 1 and text.startswith(quote, found + 1) and found > start
        if not escaped and not doubled:
            return found
        at = found + len(quote) + int(doubled)
    return limit


def _bare_end(text: str, start: int, name: re.Match[str], before: str) -> int:
    """Return where a value without quotes ends: too late rather than too early, for its tail is a secret too."""
    line = text.find("\n", start)
    limit = min(len(text) if line < 0 else line, start + _LONGEST)
    lead = re.search(r"(?:^|\n)[ \t>|-]*(?:export[ \t]+|set[ \t]+)?[\w.-]*$", before) or (
        len(before) < 40 and not before.strip(" \t")
    )
    of_a_shell = (before[-1:] + name["word"]).isupper()
    if re.search(r";[ \t]*[\w ]*$", before):  # a connection string: up to the next of its parts
        cut = re.compile(r"[;\"\n]").search(text, start, limit)
        return cut.start() if cut else limit
    if not lead or of_a_shell or ":" in name["sep"]:
        cut = _SPACE.search(text, start, limit)
        limit = cut.start() if cut and not (lead and ":" in name["sep"]) else limit
    pair = _NEXT_PAIR.search(text, start, limit)
    end = pair.start() if pair else limit
    return start + len(text[start:end].rstrip(" \t\r\"',;)>]}`"))


def _is_bare_value(value: str, name: re.Match[str], before: str) -> bool:
    if _CODE.match(value) or value == name["word"] or value.lower() in ("secret", "password", "token"):
        return False
    if name["close"] and re.match(r"[A-Za-z_][\w.]*(?:[)}\],;]|<|\\n|$)", value):
        return False  # a name beside a quoted key: {'token': token}
    if re.search(r"[(,]\s*[\w.]*$", before) and re.match(r"[a-z_]+(?:[)}\],;]|<|\\n|$)", value):
        return False  # a name that is handed on: connect(host, password=word)
    low = name["word"].lower()
    if low == "pwd" and (_A_PATH.match(value) or _PATH_IN_CODE.match(value)):
        return False
    if name["rest"] and re.fullmatch(r"\d{1,9}(?:\.\d+)?[a-z]{0,2}|True|False", value):
        return False  # a figure about it: password_strength=4
    if ":" not in name["sep"] or "=" in name["sep"]:
        return True
    alone = re.search(r"(?:^|\n)[ \t-]*[\w.-]*$", before)
    if alone and " " not in value:
        return len(value) >= 4
    first = value.split()[0]
    return (
        len(first) >= 6 and not first.isalpha() and (" " not in value or bool(alone)) and not first.endswith((".", ","))
    )
