"""Known pairs: query, answer and distractor. A model with the right prompt scores the answer clearly higher.

Qwen3-Reranker without its prompt template scores almost at random, and every search would be ranked worse than by the
engine. So the pairs are scored on the real path before any score is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.rerank.profiles import Profile

# The mean difference in probability between answers and distractors.
_MIN_MEAN_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A query with the text that answers it and one that does not."""

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
    """Return the pairs in the languages of the model."""
    return [pair for pair in PAIRS if profile.languages in ("any", pair.language)]


def verdict(margins: Sequence[float]) -> str | None:
    """Judge the scores of the known pairs.

    Args:
        margins: Answer minus distractor of each pair, in probability.

    Returns:
        None if the self-test passes, what is wrong otherwise.

    """
    wrong = sum(margin <= 0 for margin in margins)
    if wrong:
        return f"{wrong} of {len(margins)} known pairs came out in the wrong order: is the prompt template set?"
    mean = sum(margins) / len(margins)
    if mean < _MIN_MEAN_MARGIN:
        least = _MIN_MEAN_MARGIN
        return f"known pairs are only {mean:.3f} apart (at least {least}): is this the right profile for the model?"
    return None
