"""Estimates the number of tokens of a text from its number of characters of each kind, without a tokenizer.

The characters are counted by a few `bytes` methods, which is much faster than a tokenizer. `measure` also returns an
upper bound of the number of tokens. If the bound is within a model's context, the text certainly fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_SPACES = b" \n\t\r"
_LOWER = bytes(range(ord("a"), ord("z") + 1))
_UPPER = bytes(range(ord("A"), ord("Z") + 1))
_DIGITS = b"0123456789"
_PUNCTUATION = bytes(byte for byte in range(128) if byte not in _LOWER + _UPPER + _DIGITS + _SPACES)
_NOT_FOUR_BYTES = bytes(range(0xF0))

# The bound is this multiple of the estimate. In passages of about 1,000 characters of prose in seven languages, program
# code, Markdown, numbers, UUIDs, and hexadecimal and Base64 data, the real count was at most 1.37 times the estimate
# (`python -m tests.bench.tokens`).
MARGIN = 1.5
# A text whose ASCII words are longer than this on average is not prose, but hashes or encoded data, for example. Such
# texts have more tokens per character.
_MAX_WORD = 12
_TOKENS_PER_CODE_BYTE = 0.6


class Tokens(NamedTuple):
    """The estimated number of tokens of a text, and an upper bound of this number."""

    estimate: int
    most: int


@dataclass(frozen=True, slots=True)
class TokenRates:
    """Average tokens per character of each kind, in one family of tokenizers.

    Attributes:
        lower: Lower-case ASCII letters.
        word: Words, counted by the white space between them. A word adds these tokens to the tokens of its characters.
        upper: Upper-case ASCII letters.
        digit: ASCII digits.
        punctuation: Other ASCII characters.
        two_bytes: Characters of two bytes in UTF-8: letters with diacritics, Greek, Cyrillic, Hebrew, Arabic.
        three_bytes: Characters of three bytes: among them Chinese, Japanese and Korean.
        four_bytes: Characters of four bytes: among them emoji.

    """

    lower: float
    word: float
    upper: float
    digit: float
    punctuation: float
    two_bytes: float
    three_bytes: float
    four_bytes: float

    def measure(self, text: str) -> Tokens:
        """Estimate the number of tokens of a text. The bound is at most its length in UTF-8 bytes."""
        data = text.encode("utf-8", "replace")
        size = len(data)
        other = data.translate(None, _LOWER)
        # Few bytes are left, so it costs little to count the spaces and the kinds of characters among them.
        rest = other.translate(None, _SPACES)
        spaces, solid = len(other) - len(rest), size - len(other) + len(rest)
        tokens = self.lower * (size - len(other)) + self.word * (spaces + 1)
        if rest:
            others = rest.translate(None, _UPPER)
            unsigned = others.translate(None, _DIGITS)
            wide = unsigned.translate(None, _PUNCTUATION)
            tokens += self.upper * (len(rest) - len(others)) + self.digit * (len(others) - len(unsigned))
            tokens += self.punctuation * (len(unsigned) - len(wide))
            if wide:
                solid -= len(wide)
                tokens += self._wide(wide, len(text) - size + len(wide))
        if solid > _MAX_WORD * (spaces + 1):
            return Tokens(int(max(tokens, _TOKENS_PER_CODE_BYTE * solid)) + 1, size)
        return Tokens(int(tokens) + 1, min(size, int(MARGIN * tokens) + 1))

    def _wide(self, wide: bytes, characters: int) -> float:
        """Estimate the tokens of the characters outside ASCII, given their UTF-8 bytes and their number."""
        four = len(wide.translate(None, _NOT_FOUR_BYTES))
        three = len(wide) - 2 * characters - 2 * four
        return self.two_bytes * (characters - three - four) + self.three_bytes * three + self.four_bytes * four


# Measured with multilingual-e5's tokenizer (SentencePiece, 250,002 pieces), and used for all models with a large
# vocabulary.
LARGE_VOCABULARY = TokenRates(
    lower=0.17,
    word=0.45,
    upper=0.38,
    digit=0.5,
    punctuation=1.15,
    two_bytes=0.22,
    three_bytes=0.75,
    four_bytes=1.5,
)
# Measured with all-MiniLM-L6-v2's tokenizer (WordPiece, 30,522 pieces, mostly English). It reads most characters
# outside ASCII one by one.
ENGLISH_VOCABULARY = TokenRates(
    lower=0.19,
    word=0.5,
    upper=0.45,
    digit=0.5,
    punctuation=1.2,
    two_bytes=0.95,
    three_bytes=1.5,
    four_bytes=1.0,
)
