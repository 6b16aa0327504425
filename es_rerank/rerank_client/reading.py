"""Lists the passages that the model reads of each document, with their scores, for `explain` and the admin pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank_client.window import Window
from es_rerank.rerank_client.window_reading import WindowReader

_TEXT = re.compile(r"\S")


class PassageRead(NamedTuple):
    """A passage as the model reads it, without the prompt around it.

    Attributes:
        number: Number of the passage in its document, from 0.
        text: The text, with escaped special tokens.
        tokens: Estimated number of tokens.
        probability: The score as a probability; None if the passage was not scored.
        start: Position of the first character of the passage in the document's text with escaped special tokens.
        end: Position after the last character.

    """

    number: int
    text: str
    tokens: int
    probability: float | None
    start: int
    end: int


class DocumentRead(NamedTuple):
    """The passages that the model reads of one document.

    Attributes:
        passages: The passages, in the order of the document.
        of: Number of passages that the document is split into. The model may read only some of them.
        truncated: Whether a part of the document is in none of `passages`.

    """

    passages: Sequence[PassageRead]
    of: int
    truncated: bool


async def documents_read(window: Window, reader: WindowReader, prompts: PromptBuilder) -> list[DocumentRead | None]:
    """Return the passages that the model reads of each document of a window; None for a document without text.

    Args:
        window: The window, whether scored or not. Its passages are chosen here if they have not been chosen before.
        reader: Splits the documents of the window into passages.
        prompts: Converts scores to probabilities.

    """
    if window.numbers is None:
        await reader.choose(window)
    if not window.places:
        # Keys are only used to find the scores of passages. There are no scores yet, so any distinct keys will do.
        window.set_keys([b"%d %d" % (at, number) for number in row] for at, row in enumerate(window.numbers or ()))
    passages = await reader.passages(window, list(window.places))
    read = {key: _passage(key, passage.text, window, prompts) for key, passage in passages.items()}
    return [_document([(key, read[key]) for key in row], window) if row else None for row in window.rows]


def _passage(key: bytes, text: str, window: Window, prompts: PromptBuilder) -> PassageRead:
    """Return one passage with its score as a probability."""
    place = window.places[key]
    cut = window.cuts[place.document]
    tokens = cut.pieces[place.number].tokens if cut else prompts.profile.rates.measure(text).estimate
    score = window.scores.get(key)
    probability = None if score is None else prompts.probabilities([score])[0]
    start, end = cut.pieces[place.number][:2] if cut else (0, len(text))
    return PassageRead(place.number, text, tokens, probability, start, end)


def _document(row: Sequence[tuple[bytes, PassageRead]], window: Window) -> DocumentRead:
    """Return the passages of one document, given by their keys. Documents with the same text have the same keys."""
    number = window.places[row[0][0]].document
    cut, document, limits = window.cuts[number], window.documents[number], window.limits
    of = len(cut.pieces) if cut else 1
    is_cut = cut is not None and _TEXT.search(document.readable or document.text, cut.pieces[-1].end) is not None
    is_truncated = len(row) < of or is_cut or len(document.text) > limits.readable_characters
    return DocumentRead([passage for _, passage in row], of, is_truncated)
