"""Known pairs: a model asked rightly puts the answer above the stray by a clear margin.

Qwen3-Reranker without its prompt template scores almost at random and every search would come back in a worse order:
so the real path is tried with pairs that no working reranker gets wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from es_rerank.rerank.profiles import Profile

# The least mean difference in probability between answers and strays.
_SPREAD = 0.05


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
    """Choose the pairs in languages that the model reads."""
    return [pair for pair in PAIRS if profile.languages in ("any", pair.language)]


def verdict(margins: Sequence[float]) -> str | None:
    """Judge the differences answer minus stray, in probability; None is a pass, else what is wrong."""
    wrong = sum(margin <= 0 for margin in margins)
    if wrong:
        return f"{wrong} of {len(margins)} known pairs came out in the wrong order: is the prompt template set?"
    mean = sum(margins) / len(margins)
    if mean < _SPREAD:
        return f"known pairs lie only {mean:.3f} apart (at least {_SPREAD}): is this the right profile for the model?"
    return None
