"""Text from elsewhere as text: what a notebook, a tag, a table's name or an error of AWS says acts nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

# Everything that moves a cursor, colours, hides or turns round what stands beside it: control signs but line ends and
# tabs, marks of direction, signs of no width; and halves of a sign, which no text may hold.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CALLING = re.compile(r"@(?=\w)|\](?=\()|:(?=//)|(?<=\bwww)(?=\.)")


def plain(text: str) -> str:
    """Return the text with every sign that could act on a terminal written out (`\\x1b`): it can be read."""
    return _ACTING.sub(_spelled, text) if not text.isascii() or not text.isprintable() else text


def upright(html: str) -> str:
    """Return a page with every mark written out that turns round what stands beside it: `eulb` would read as `blue`."""
    return _TURNING.sub(_spelled, html)


def json_line(value: Any) -> str:
    """Return a value as one line of JSON in which no sign acts on a terminal; read again it is the same."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, default=str))


def for_chat(text: str) -> str:
    """Return the text for a chat: it calls nobody and links nowhere; what it writes is to be read, not to be copied."""
    inert = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALLING.sub("\\g<0>\u2060", inert)


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
