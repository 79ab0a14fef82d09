"""A value that this library read as a credential, found in every writing that common libraries make of it.

Each sign of the value may stand as itself or in any of its escaped writings: HTML's (of pandas, Jinja and the standard
library), JSON's and Python's (texts and bytes, at any depth), a URL's, SQL's, a shell's. The whole may stand in base64,
at any place of a longer text, or in hexadecimal. What was cut off (`Tr0ub4do…`) is found by its beginning.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import codepoint2name
from itertools import groupby

SHORTEST = 4  # a value below this would blot out ordinary text
ANYWHERE = 8  # a value this long is removed wherever it stands, a shorter one only where it stands alone
_SHOWN_START = 12  # a beginning this long is removed wherever it stands
_CUT_START = 6  # and one this long where a sign says that the rest was cut off
_CUT = ("…", "...")
_ESCAPE = r"(?:\\|%5[Cc]){0,8}"
_DOUBLED = {"'": "''", '"': '""', "%": "%%", "$": r"\$\$", "{": r"\{\{", "}": r"\}\}", "`": "``"}


class Known:
    """One value, ready to be looked for."""

    def __init__(self, value: str, kind: str) -> None:
        self.kind = kind
        self._signs = tuple(value)
        whole = "".join(_written(sign, len(list(same))) for sign, same in groupby(value))
        self._whole = re.compile(whole if len(value) >= ANYWHERE else rf"(?<!\w){whole}(?!\w)")
        self._anchor = _anchor(value)
        long = len(value) > _CUT_START and len(value) >= ANYWHERE
        self._start = re.compile("".join(map(_written, value[:_CUT_START]))) if long else None
        self._start_anchor = _anchor(value[:_CUT_START])
        self._encoded = tuple(_encodings(value)) if len(value) >= ANYWHERE else ()
        self._folded = tuple(_spelled(value)) if len(value) >= ANYWHERE else ()

    def spans(self, text: str, folded: str) -> Iterator[tuple[int, int]]:
        """Yield where it stands in a text, whole or cut; `folded` is the text in lower case."""
        if self._anchor in text:
            yield from (found.span() for found in self._whole.finditer(text))
        if self._start is not None and self._start_anchor in text:
            for found in self._start.finditer(text):
                end, signs = self._follow(text, found.end())
                if signs >= min(_SHOWN_START, len(self._signs)) or text.startswith(_CUT, end):
                    yield found.start(), end
        for where, forms in ((text, self._encoded), (folded, self._folded)):
            if len(where) == len(text):
                for form in forms:
                    yield from _places(where, form)

    def _follow(self, text: str, end: int) -> tuple[int, int]:
        signs = _CUT_START
        for sign in self._signs[_CUT_START:]:
            found = _one(sign).match(text, end)
            if found is None:
                break
            end, signs = found.end(), signs + 1
        return end, signs


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + len(form))


def _anchor(value: str) -> str:
    """Return the longest part that no writing changes: what a text must hold for the value to be in it."""
    return max(re.findall(r"[A-Za-z0-9]+", value), key=len, default="")


@lru_cache(maxsize=512)
def _one(sign: str) -> re.Pattern[str]:
    return re.compile(_written(sign))


@lru_cache(maxsize=1024)
def _written(sign: str, times: int = 1) -> str:
    """Return the writings of a sign, or of several of the same: those all in one writing, lest looking explode."""
    if sign.isascii() and sign.isalnum():
        return sign * times
    forms = [form if times == 1 else f"(?:{form}){{{times}}}" for form in _forms(sign)]
    if sign == "\\":
        forms = [rf"(?:\\|%5[Cc]){{{times},{times * 8}}}", *forms[1:]]
    return f"(?:{'|'.join(forms)})"


def _forms(sign: str) -> list[str]:
    number, raw = ord(sign), re.escape(sign)
    utf8 = sign.encode("utf-8", "surrogatepass")
    forms = [*_special(sign), f"{_ESCAPE}(?:{raw}|{_entity(number)})"]
    forms += [
        "".join(f"%(?:25){{0,3}}{_hex(byte)}" for byte in utf8),
        "".join(rf"\\{{1,8}}x{_hex(byte)}" for byte in utf8),
    ]
    if number < 0x100:
        forms.append(rf"\\{{1,8}}x{_hex(number)}")
    units = sign.encode("utf-16-be", "surrogatepass")
    forms.append("".join(rf"\\{{1,8}}u{_hex(units[at])}{_hex(units[at + 1])}" for at in range(0, len(units), 2)))
    if number > 0xFFFF:
        forms.append(rf"\\{{1,8}}U(?i:{number:08x})")
    if number < 0x80:
        forms.append(rf"\\0?{number:03o}")
    return forms


def _special(sign: str) -> list[str]:
    match sign:
        case " ":
            return [r"['\"][ \t]*\n[ \t]*['\"]", r"[ \t]*\n[ \t]*", r"\+", "\xa0"]
        case "\n":
            return [r"\r?\n", r"\\{1,8}n", r"\\{1,8}r\\{1,8}n", r"%0[Dd]%0[Aa]", r"<br ?/?>"]
        case "\t":
            return [r"\\{1,8}t", r"[ ]{1,8}"]
        case "\r":
            return [r"\\{1,8}r"]
        case "'":
            return ["''", r"'\\{1,8}''", r"'\\{0,8}\"'\\{0,8}\"'"]
    return [_DOUBLED[sign]] if sign in _DOUBLED else []


def _entity(number: int) -> str:
    names = [name for name in (codepoint2name.get(number), "apos" if number == 0x27 else None) if name]
    return rf"&(?:amp;){{0,3}}(?:{'|'.join([*names, f'#0{{0,5}}{number}', f'#[xX]0{{0,5}}(?i:{number:x})'])});"


def _hex(byte: int) -> str:
    return f"(?i:{byte:02x})"


def _encodings(value: str) -> Iterator[str]:
    """Yield base64 of the value, also as part of something longer: three ways, by where in it the value begins."""
    raw = value.encode("utf-8", "surrogatepass")
    for encoded, before in ((raw, 0), (raw, 1), (raw, 2), (value.encode("utf-16-le", "surrogatepass"), 0)):
        whole = base64.b64encode(bytes(before) + encoded).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(encoded)) * 8 // 6]
        yield inner
        if inner != (safe := inner.replace("+", "-").replace("/", "_")):
            yield safe


def _spelled(value: str) -> Iterator[str]:
    """Yield the value spelled out byte by byte, in lower case."""
    raw = value.encode("utf-8", "surrogatepass")
    yield raw.hex()
    yield from (
        "".join(form.format(byte) for byte in raw)
        for form in ("%{:02x}", "\\x{:02x}", "\\u00{:02x}", "&#{};", "&#x{:x};")
    )
    yield from (comma.join(map(str, raw)) for comma in (", ", ",", "\n"))
