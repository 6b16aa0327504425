"""The known pairs of the self-test: queries, each with an answer and an irrelevant text (the distractor).

A model with the right prompt scores the answer clearly higher. Without its prompt template, Qwen3-Reranker scores
almost at random, which would make every ranking worse than the engine's. Therefore these pairs are scored with the
same code as searches before the scores of a server are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.rerank.profiles import Profile

# Minimum mean of P(answer) - P(distractor) over the known pairs.
_MIN_MEAN_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A query, a text that answers it, and a distractor that does not. *language* is an ISO 639-1 code."""

    language: str
    query: str
    answer: str
    distractor: str


PAIRS = (
    KnownPair(
        "en",
        "how do I stop a tap from dripping",
        "A dripping tap usually needs a new washer: close the stop valve, unscrew the handle and replace the seal.",
        "The company opened its third office last spring and plans to hire twenty accountants.",
    ),
    KnownPair(
        "en",
        "capital of Australia",
        "Canberra has been the seat of Australia's government since 1927.",
        "Bake the pie for forty minutes until the crust is golden.",
    ),
    KnownPair(
        "de",
        "Wie lange muss ein Ei kochen, bis es hart ist?",
        "Nach etwa zehn Minuten in kochendem Wasser ist das Eigelb eines Eis vollständig fest.",
        "Der Zug nach Hamburg fährt heute von Gleis sieben ab.",
    ),
    KnownPair(
        "zh",
        "怎样给手机省电",
        "降低屏幕亮度、关闭后台应用并打开省电模式，可以延长手机电池的使用时间。",
        "这座寺庙建于唐代，每年春天游客最多。",
    ),
)


def pairs_for(profile: Profile) -> Sequence[KnownPair]:
    """Return the known pairs in the languages that the model supports."""
    return [pair for pair in PAIRS if profile.languages in ("any", pair.language)]


def verdict(margins: Sequence[float]) -> str | None:
    """Decide whether the self-test passes.

    Args:
        margins: P(answer) - P(distractor) of each known pair, from -1 to 1.

    Returns:
        None if the self-test passes, otherwise an error message.

    """
    wrong = sum(margin <= 0 for margin in margins)
    if wrong:
        return f"{wrong} of {len(margins)} known pairs are in the wrong order: is the prompt template set?"
    mean = sum(margins) / len(margins)
    if mean < _MIN_MEAN_MARGIN:
        least = _MIN_MEAN_MARGIN
        return f"known pairs are only {mean:.3f} apart (at least {least}): is this the right profile for the model?"
    return None
