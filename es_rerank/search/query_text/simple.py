"""Reduces `simple_query_string` queries to plain words. The operators are those of the engines' parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntFlag, auto
from typing import Any

from es_rerank.search.query_text.lucene import strip_operators
from es_rerank.search.query_text.terms import MAX_PARSED_CHARACTERS


class Flag(IntFlag):
    """The operators that a query may use, with the same bits as in the engines' `flags`."""

    AND = auto()
    NOT = auto()
    OR = auto()
    PREFIX = auto()
    PHRASE = auto()
    PRECEDENCE = auto()
    ESCAPE = auto()
    WHITESPACE = auto()
    FUZZY = auto()
    NEAR = auto()
    SLOP = NEAR


_NONE = Flag(0)
ALL = ~_NONE
_NAMES: Mapping[str, Flag] = {**Flag.__members__, "ALL": ALL, "NONE": _NONE}
# Characters that end a token, besides white space, if the flag is set.
_ENDS = ((Flag.PHRASE, '"'), (Flag.OR, "|"), (Flag.PRECEDENCE, "()"))
_SPACE = " \t\n\r"
_SLOP = re.compile(r"~\d+")
_FUZZINESS = re.compile(r"(?<=.)~\d*$", re.DOTALL)
# A text without any of these characters has no operators.
_OPERATOR = re.compile(r'[-+|"*()~\\]')


def read_flags(value: Any) -> Flag:
    """Return the `flags` of a query: names separated by `|`, or a number; all operators if it is missing or invalid."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Flag(value & int(ALL)) if value >= 0 else ALL
    if not isinstance(value, str) or not value.strip():
        return ALL
    flags = _NONE
    for name in value.split("|"):
        found = _NAMES.get(name.strip().upper(), ALL)
        if found in {ALL, _NONE}:
            return found
        flags |= found
    return flags


def simple_words(text: str, flags: Flag = ALL, *, parse: bool = True) -> str:
    """Reduce a `simple_query_string` to plain words, without operators and excluded terms.

    Format: Lucene's simple query parser. A `+` inside or at the end of a word, as in `c++`, is kept: the parser takes
    it for an operator between words, although users who type it do not mean one.

    Args:
        text: The query.
        flags: The operators that the query may use.
        parse: Whether to parse the text, which is slow. Otherwise only what looks like an operator is removed.

    """
    if not flags or not _OPERATOR.search(text):
        return " ".join(text.split())
    if not parse or len(text) > MAX_PARSED_CHARACTERS:
        return " ".join(strip_operators(text).split())
    return " ".join(" ".join(_Scanner(text, flags).words()).split())


class _Scanner:
    """Reads the tokens of a query from left to right. State: the current position."""

    def __init__(self, text: str, flags: Flag) -> None:
        """Start before the first character."""
        self._text = text
        self._flags = flags
        self._at = 0
        self._closing = _closing_brackets(text, escapes=bool(flags & Flag.ESCAPE))
        ends = "".join(characters for flag, characters in _ENDS if flags & flag)
        self._ends = frozenset(ends + (_SPACE if flags & Flag.WHITESPACE else ""))

    def words(self) -> Iterator[str]:
        """Yield the tokens and phrases that are not excluded."""
        is_excluded = False
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "-" and self._flags & Flag.NOT:
                is_excluded = not is_excluded
                self._at += 1
                continue
            if not self._is_skipped(character, is_excluded):
                found = self._phrase() if character == '"' and self._flags & Flag.PHRASE else self._token(is_excluded)
                yield "" if is_excluded else found
            is_excluded = False

    def _is_skipped(self, character: str, is_excluded: bool) -> bool:
        """Skip a separator, an operator, or an excluded group; return whether there was one."""
        if character == "(" and self._flags & Flag.PRECEDENCE and is_excluded:
            self._at = self._closing.get(self._at, self._at) + 1
            return True
        is_operator = (character == "+" and self._flags & Flag.AND) or (character == "|" and self._flags & Flag.OR)
        if is_operator or (character in self._ends and character != '"'):
            self._at += 1
            return True
        return False

    def _phrase(self) -> str:
        """Return the phrase at the current position; empty if the quotation mark there is never closed."""
        start = self._at + 1
        end = self._unescaped('"', start)
        if end < 0:
            self._at = start
            return ""
        self._at = end + 1
        if self._flags & Flag.NEAR and (slop := _SLOP.match(self._text, self._at)):
            self._at = slop.end()
        return self._unescape(self._text[start:end])

    def _token(self, is_excluded: bool) -> str:
        """Return the token at the current position, without the operators at its end."""
        start = self._at
        escapes = self._flags & Flag.ESCAPE
        is_escaped = False
        while self._at < len(self._text):
            character = self._text[self._at]
            # After an excluded word, the parser takes `+` for an operator.
            if not is_escaped and (character in self._ends or (is_excluded and character == "+")):
                break
            is_escaped = not is_escaped and character == "\\" and bool(escapes)
            self._at += 1
        token = self._text[start : self._at]
        if self._flags & Flag.PREFIX and token.endswith("*") and not (escapes and token.endswith("\\*")):
            token = token[:-1]
        elif self._flags & Flag.FUZZY:
            token = _FUZZINESS.sub("", token)
        return self._unescape(token)

    def _unescaped(self, character: str, start: int) -> int:
        """Return the position of the next *character* that is not escaped; -1 if there is none."""
        at = self._text.find(character, start)
        while at > 0 and self._flags & Flag.ESCAPE and self._text[at - 1] == "\\":
            at = self._text.find(character, at + 1)
        return at

    def _unescape(self, text: str) -> str:
        """Remove the backslash before each escaped character."""
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if self._flags & Flag.ESCAPE else text


def _closing_brackets(text: str, *, escapes: bool) -> dict[int, int]:
    """Return the positions of all pairs of brackets, as opening position -> closing position."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    is_escaped = False
    for at, character in enumerate(text):
        if not is_escaped and character == "(":
            opened.append(at)
        elif not is_escaped and character == ")" and opened:
            closing[opened.pop()] = at
        is_escaped = escapes and not is_escaped and character == "\\"
    return closing
