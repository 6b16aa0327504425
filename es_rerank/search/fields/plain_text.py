"""Reduces a stored value to the text that a person would read: without HTML markup, and without encoded binary data."""

from __future__ import annotations

import re
from html import unescape

# Elements of HTML that occur in stored texts. Other names in angle brackets, such as `List<String>`, are not markup.
_ELEMENTS = (
    "a|abbr|article|aside|b|blockquote|body|br|caption|center|cite|code|dd|del|div|dl|dt|em|figcaption|figure|font|"
    "footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|p|pre|q|s|"
    "script|section|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul|video|wbr"
)
# A tag ends at the next angle bracket, so that the time stays proportional to the length.
_TAG = re.compile(rf"</?(?:{_ELEMENTS})(?:\s[^<>]*)?/?>|<!doctype[^<>]*>", re.IGNORECASE)
# Comments, scripts and styles: strings for a fast check, and the patterns of the start and the end.
_BLOCKS = tuple(
    (starts, re.compile(start, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for starts, start, end in (
        (("<!--",), r"<!--", r"-->"),
        (("<sc", "<SC"), r"<script\b", r"</script\s*>"),
        (("<st", "<ST"), r"<style\b", r"</style\s*>"),
    )
)
# A text is HTML if an element is closed, or stands alone as few elements do.
_HTML = re.compile(rf"</(?:{_ELEMENTS})\s*>|<(?:br|hr|p)\s*/?>|<!doctype html|<img\s", re.IGNORECASE)
_ENTITY = re.compile(
    r"&(?:amp|nbsp|lt|gt|quot|apos|hellip|[lr][ds]quo|[mn]dash|#\d{2,6}|#x[0-9a-f]{2,5});", re.IGNORECASE
)
# Encoded binary data has this many characters without a space; prose does not.
_ENCODED = re.compile(r"(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/_=\r\n-]{160}")
_DATA_URL = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=%]+")


def plain_text(value: str) -> str:
    """Return a string of a document as plain text; empty if it is encoded binary data.

    Tags of known HTML elements, comments, scripts and styles are replaced by spaces, and character references by their
    characters. Texts without markup are returned unchanged. The time is proportional to the length.
    """
    if _ENCODED.match(value):
        return ""
    if "<" in value and _HTML.search(value):
        for starts, start, end in _BLOCKS:
            if any(one in value for one in starts):
                value = _without_blocks(value, start, end)
        value = " ".join(_TAG.sub(" ", value).split())
    elif ";" in value and ";base64," in value:
        # A single character is found much faster than a word.
        value = _DATA_URL.sub(" ", value)
    return unescape(value) if "&" in value and _ENTITY.search(value) else value


def _without_blocks(value: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """Replace the text from each match of *start* to the next match of *end* by a space. An unclosed part is kept."""
    kept, position = [], 0
    while (first := start.search(value, position)) and (last := end.search(value, first.end())):
        kept.append(value[position : first.start()])
        position = last.end()
    return " ".join([*kept, value[position:]])
