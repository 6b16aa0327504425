"""Articles of 500 to 3,000 characters in English words, all different."""

from __future__ import annotations

import random
from collections.abc import Mapping

_WORDS = (
    *("harbour", "committee", "volcano", "bridge", "measure", "patient", "river", "machine", "garden", "ledger"),
    *("erupts", "grows", "repairs", "describes", "carries", "reports", "studies", "reaches", "follows", "opens"),
    *("quiet", "northern", "recent", "narrow", "official", "common", "early", "steep", "careful", "distant"),
    *("the", "a", "of", "in", "and", "for", "with", "near", "after", "before", "because", "while", "between"),
)
_SENTENCE_WORDS = (6, 22)
SHORTEST, LONGEST = 500, 3000


def articles(count: int, seed: int = 1) -> Mapping[str, dict[str, str]]:
    """Return articles by ID, the same ones for the same arguments. Each has the word `article`."""
    chance = random.Random(seed)
    return {f"a{number}": {"body": _article(number, chance)} for number in range(count)}


def _article(number: int, chance: random.Random) -> str:
    length = chance.randint(SHORTEST, LONGEST)
    text = f"This is article {number}."
    while len(text) < length:
        words = chance.choices(_WORDS, k=chance.randint(*_SENTENCE_WORDS))
        text += f" {' '.join(words).capitalize()}."
    return text[:length]
