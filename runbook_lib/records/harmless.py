"""HTML of a notebook as a report may show it: what could act, load, cover or disguise anything is taken away.

A notebook shows what tags, table names and error messages say, so its HTML is anybody's. A content policy cannot forbid
a page to send its reader elsewhere (`<meta http-equiv=refresh>`) nor a style to paint a false outcome over the true
one: only what is listed here is let through.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from html.parser import HTMLParser

_LARGEST = 4_000_000  # signs of one output: beyond that a page is no page
_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div"),
    *(
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "kbd",
        "li",
        "mark",
        "ol",
    ),
    *(
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
    ),
    *("th", "thead", "tr", "u", "ul"),
}
_ATTRIBUTES = {"align", "alt", "colspan", "dir", "lang", "open", "rowspan", "scope", "style", "title"}
_STYLES = {
    *("background", "background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left"),
    *("border-radius", "border-right", "border-top", "caption-side", "color", "cursor", "display", "flex", "flex-flow"),
    *("flex-wrap", "font", "font-family", "font-size", "font-style", "font-variant-numeric", "font-weight", "gap"),
    *("line-height", "list-style", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top", "max-width"),
    *("min-width", "opacity", "overflow", "overflow-wrap", "overflow-x", "padding", "padding-bottom", "padding-left"),
    *("padding-right", "padding-top", "text-align", "text-decoration", "vertical-align", "white-space", "width"),
    "word-break",
}
_CLASSES = {"anchor-link"}
_VOID = {"br", "col", "hr", "img"}
_WITH_CONTENT = {  # taken away with all that is in them; of other tags that are not listed the content stays
    *("applet", "audio", "canvas", "frameset", "head", "iframe", "math", "noembed", "noframes", "noscript", "object"),
    *("script", "select", "style", "svg", "template", "textarea", "title", "video", "xmp"),
}
# A colour is the one thing that a style may compute: `calc()` moves what `margin-top:-9px` would.
_REACHING_OUT = re.compile(r"(?i)(?<!rgb)(?<!rgba)(?<!hsl)(?<!hsla)\(|url|image|-\s*[\d.]|[\\@{}<>&]|/\*")


def harmless(html: str) -> str:
    """Return the HTML with nothing in it but text, tables, lists and pictures that it brings along.

    It is written anew from what is listed, every text and value escaped, and what it opens it closes.
    """
    if len(html) > _LARGEST:
        return f"<pre>[an output of {len(html):,} signs is not shown; record.ipynb holds it]</pre>"
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.written()


def drawing(svg: str) -> str:
    """Return an SVG as a picture, in which browsers run no script and load nothing."""
    return f'<img alt="figure" src="data:image/svg+xml;base64,{b64encode(svg.encode(errors="replace")).decode()}">'


class _Reader(HTMLParser):
    """Reads HTML and writes of it what may stay."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._left_out: list[str] = []

    def written(self) -> str:
        """Return what was written, with every tag that is open closed."""
        return "".join([*self._parts, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write a listed tag with its listed attributes."""
        if tag in _WITH_CONTENT:
            self._left_out.append(tag)
        elif not self._left_out and tag in _TAGS:
            kept = [(name, value or "") for name, value in attrs if _may_stay(tag, name, value or "")]
            said = "".join(f' {name}="{escape(_styled(value) if name == "style" else value)}"' for name, value in kept)
            self._parts.append(f"<{tag}{said}>")
            if tag not in _VOID:
                self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write `<br/>`; any other tag that closes itself stays open in HTML."""
        if tag not in _WITH_CONTENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag that this HTML has opened, and those that are open within it."""
        if tag in self._left_out:
            del self._left_out[self._left_out.index(tag) :]
        elif not self._left_out and tag in self._open:
            while self._open:
                closed = self._open.pop()
                self._parts.append(f"</{closed}>")
                if closed == tag:
                    break

    def handle_data(self, data: str) -> None:
        """Write text."""
        if not self._left_out:
            self._parts.append(escape(data, quote=False))


def _may_stay(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and value.startswith("data:image/")
    if name == "href":
        return tag == "a" and bool(re.match(r"(?i)https?://|mailto:|#", value.strip()))
    return value in _CLASSES if name == "class" else name in _ATTRIBUTES


@lru_cache(maxsize=4096)
def _styled(value: str) -> str:
    """Return the declarations of a style that stay where they are: none reaches out, covers or moves anything."""
    kept = []
    for declaration in value.split(";"):
        name, _, said = declaration.partition(":")
        if name.strip().lower() in _STYLES and not _REACHING_OUT.search(said):
            kept.append(f"{name.strip()}:{said.strip()}")
    return ";".join(kept)
