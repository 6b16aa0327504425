"""Escapes the special tokens of a model in texts, so that no text can alter the prompt.

A tokenizer may normalize a text before it looks for special tokens: convert compatibility characters (NFKC: full-width
forms, mathematical letters), fold case, and remove accents and control characters. So a text is searched for any
spelling that one of these normalizations could turn into a special token. A false match only adds a space to the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, islice, pairwise

# No code point after this one has a compatibility decomposition to ASCII.
_LAST_CODE_POINT = 0x1FFFF
# Tokenizers replace these control characters by spaces, which separate the parts of a token.
_SPACES = frozenset("\t\n\f\r")
# Control and format characters, and combining marks, which tokenizers may delete.
_DELETED = frozenset({"Cc", "Cf", "Me", "Mn"})
# Quotation marks that look like brackets and have no decomposition.
_SIMILAR = {"\u2039": "<", "\u203a": ">"}
# These limits bound the time for any text. A possible token of more characters is escaped without a comparison. In a
# text with more possible starts of tokens, each of them is escaped without a comparison.
_MAX_SPELLING, _MAX_STARTS = 100, 4000


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The special tokens of a model that start with the same character.

    Attributes:
        reduced: The tokens as returned by `_reduced`, to be compared with reduced parts of texts.
        starts: All characters that a normalization may convert to the first character of the tokens, which is listed
            first.
        plain: Pattern that matches the tokens in upper or lower case.
        spelled: Pattern that matches the first character of the tokens if a character outside printable ASCII follows,
            at a distance of at most the length of a token.
        other_starts: Pattern that matches all of `starts` except the first one.

    """

    reduced: tuple[str, ...]
    starts: tuple[str, ...]
    plain: re.Pattern[str]
    spelled: re.Pattern[str]
    other_starts: re.Pattern[str]


def escape_special_tokens(special: Sequence[str], texts: Iterable[str | None]) -> list[str | None]:
    """Insert a space into each special token, and replace lone surrogates.

    Args:
        special: The special tokens of the model.
        texts: The query and the documents; None for a document without text.

    Returns:
        The escaped texts, in the same order; None for a document without text.

    """
    groups = _groups(tuple(special))
    return [_escape(text, groups) if text else text for text in texts]


def _escape(text: str, groups: Sequence[_Tokens]) -> str:
    """Return one text with escaped special tokens and without lone surrogates."""
    is_ascii = text.isascii()
    if not is_ascii:
        text = text.encode("utf-8", "replace").decode()
    for tokens in groups:
        # Most texts have none of these characters. Checking that is much faster than searching with a pattern.
        if tokens.starts[0] in text or (not is_ascii and any(character in text for character in tokens.starts)):
            text = _separate(tokens.plain.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text), tokens)
    return text


def _separate(text: str, tokens: _Tokens) -> str:
    """Insert a space after the first character of each string that a normalization would turn into a token."""
    found = chain(tokens.spelled.finditer(text), tokens.other_starts.finditer(text))
    starts = [one.start() for one in islice(found, _MAX_STARTS + 1)]
    if len(starts) > _MAX_STARTS:
        for character in tokens.starts:
            text = text.replace(character, f"{character} ")
        return text
    ends = sorted(at + 1 for at in starts if _spells_token(text[at : at + _MAX_SPELLING], tokens.reduced))
    return " ".join(text[start:end] for start, end in pairwise([0, *ends, len(text)])) if ends else text


def _spells_token(text: str, tokens: Sequence[str]) -> bool:
    """Return whether a text starts with any spelling of a token, or has the maximum length and may be part of one."""
    known = ""
    for character in text:
        known += _reduced(character)
        if any(known.startswith(token) for token in tokens):
            return True
        if not any(token.startswith(known) for token in tokens):
            return False
    return len(text) == _MAX_SPELLING


@cache
def _groups(special: tuple[str, ...]) -> Sequence[_Tokens]:
    """Return the special tokens, grouped by their first character, with the patterns that find them."""
    tokens = tuple(dict.fromkeys(map(_reduced, special)))
    firsts = dict.fromkeys(token[0] for token in tokens)
    return [_prepared(first, tuple(token for token in tokens if token[0] == first)) for first in firsts]


def _prepared(first: str, tokens: tuple[str, ...]) -> _Tokens:
    """Return the tokens that start with the character *first*, with the patterns that find them."""
    starts = (first, *(one for one in _spellings(first) if one != first))
    rests = ["".join(f"[{re.escape(one + one.upper())}]" for one in token[1:]) for token in tokens]
    inner = "".join(dict.fromkeys(one + one.upper() for token in tokens for one in token[1:]))
    return _Tokens(
        tokens,
        starts,
        plain=re.compile(f"{re.escape(first)}(?:{'|'.join(rests)})"),
        spelled=re.compile(rf"{re.escape(first)}(?=[{re.escape(inner)}]{{0,{max(map(len, tokens))}}}[^\t\n\f\r -~])"),
        other_starts=re.compile(f"[{re.escape(''.join(starts[1:]))}]"),
    )


@cache
def _spellings(first: str) -> Sequence[str]:
    """Return the characters that a normalization may convert to *first*."""
    decomposed = (one for one in map(chr, range(_LAST_CODE_POINT)) if unicodedata.normalize("NFKD", one)[0] == first)
    return [*decomposed, *(one for one, plain in _SIMILAR.items() if plain == first)]


@lru_cache(maxsize=4096)
def _reduced(text: str) -> str:
    """Return a text after NFKD normalization and case folding, without combining marks and control characters."""
    plain = unicodedata.normalize("NFKD", "".join(_SIMILAR.get(one, one) for one in text)).casefold()
    return "".join(one for one in plain if one in _SPACES or unicodedata.category(one) not in _DELETED)
