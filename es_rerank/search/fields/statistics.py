"""Statistics of a field's values in the documents of a window: length, variety, and share of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# Lengths and distinct values are counted for all documents; words only in the start of some values.
_SAMPLED_VALUES, _SAMPLED_CHARACTERS = 8, 240
# A run of letters between spaces and punctuation. Runs with digits, slashes or underscores are codes.
_NATURAL = re.compile(r"(?<!\S)[\"'(\[«“‘¿¡]*[^\W\d_]+(?:['’-][^\W\d_]+)*[\"')\]»”’.,;:!?…、。，！？：；）」』]*(?!\S)")
# Scripts without spaces between words, with the punctuation between their sentences.
_UNSEGMENTED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u3002\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_CHARACTERS_PER_WORD = 2


class Statistics(NamedTuple):
    """Statistics of one field over the documents of a window.

    Attributes:
        coverage: Share of the documents that have a value.
        documents: Number of documents that have a value.
        characters: Mean length of the values.
        words: Mean number of words in a value.
        natural: Share of the characters that belong to words made of letters.
        distinct: Number of distinct values, divided by the number of values.

    """

    coverage: float
    documents: int
    characters: float
    words: float
    natural: float
    distinct: float


def statistics(values: Sequence[str], documents: int) -> Statistics:
    """Return the statistics of a field.

    Args:
        values: The values that are not empty, one per document; at least one.
        documents: Number of documents in the window, including documents without a value.

    """
    sample = [value[:_SAMPLED_CHARACTERS] for value in values[:_SAMPLED_VALUES]]
    text = " ".join(sample)
    spaces = text.count(" ") + text.count("\n")
    natural = sum(map(len, _NATURAL.findall(text)))
    words = spaces + 1.0
    if not text.isascii():
        unsegmented = len(_UNSEGMENTED.findall(text))
        natural = max(natural, unsegmented)
        words += unsegmented / _CHARACTERS_PER_WORD
    characters = sum(map(len, values)) / len(values)
    return Statistics(
        coverage=len(values) / documents,
        documents=len(values),
        characters=characters,
        words=words * characters / len(text) if characters > _SAMPLED_CHARACTERS else words / len(sample),
        natural=natural / max(1, len(text) - spaces),
        distinct=len(set(values)) / len(values),
    )
