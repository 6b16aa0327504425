"""Long documents with the answer at a random depth: how often the right document is first, by the mode for long texts.

With `truncate`, the model reads about a fifth of each document. With `max_passage`, it reads all of it, or, if the
tokens of the search are limited, the passages that share words with the query.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from es_rerank_lab.parts.engines import Engine
from es_rerank_lab.parts.vllm import ModelServer

from .articles import articles
from .conftest import Serve
from .endpoint import Endpoint
from .models import Models
from .wire import fill

INDEX = "long"
SEED = 16
# Each about 6,000 characters, or 1,300 tokens.
PARTS = 3
# About the tokens of the first passages, and a quarter of those of all others.
LIMITED_TOKENS = 11_000
FACTS: Mapping[str, str] = {
    "Which metal is liquid at room temperature?": "Mercury is a metal that stays liquid at ordinary temperatures.",
    "How many bones does an adult human have?": "The skeleton of a grown person consists of 206 bones.",
    "Who painted the Mona Lisa?": "Leonardo da Vinci created the portrait known as the Mona Lisa around 1503.",
    "What do pandas eat?": "The giant panda feeds almost entirely on the shoots and leaves of bamboo.",
    "When did the Berlin Wall fall?": "The wall that divided Berlin was opened on 9 November 1989.",
    "Why is the sky blue?": "Air scatters the short blue waves of sunlight more than the long red ones.",
    "How fast does light travel?": "In a vacuum, light covers almost 300,000 kilometres each second.",
    "Which planet has the most moons?": "Saturn, the planet with the rings, has more known moons than any other.",
    "What causes tides in the sea?": "The gravity of the moon raises and lowers the oceans twice a day.",
    "How is paper made?": "Wood is pulped in water, pressed into sheets and dried to become paper.",
    "Where do penguins live in the wild?": "Nearly all penguins breed on southern coasts, many of them in Antarctica.",
    "What is the capital of Australia?": "Canberra, not Sydney, is the seat of the Australian government.",
    "How long is a marathon?": "Runners of a marathon cover a distance of 42.195 kilometres.",
    "Who invented the telephone?": "Alexander Graham Bell was granted the patent for the telephone in 1876.",
    "What is the boiling point of water?": "At sea level, water turns to steam at 100 degrees Celsius.",
    "Which vitamin does sunlight produce in the skin?": "Exposed to the sun, human skin forms vitamin D.",
    "How do bees find their way home?": "Honey bees return to the hive by the position of the sun and by landmarks.",
    "What is the largest ocean?": "The Pacific is the biggest of the oceans and covers a third of the globe.",
    "Why do leaves turn red in autumn?": "As chlorophyll decays before winter, red and yellow pigments show in leaves.",
    "How many strings does a violin have?": "A violin is played on four strings, tuned in fifths.",
}


def documents() -> Mapping[str, dict[str, str]]:
    """Return a long document for each fact, which is one of its sentences, at a random depth."""
    chance = random.Random(SEED)
    filler = [one["body"] for one in articles(PARTS * len(FACTS), SEED).values()]
    found = {}
    for number, fact in enumerate(FACTS.values()):
        sentences = " ".join(filler[number * PARTS : (number + 1) * PARTS]).split(". ")
        sentences.insert(chance.randint(0, len(sentences)), fact.removesuffix("."))
        found[f"d{number}"] = {"body": ". ".join(sentences)}
    return found


@pytest.fixture
def shares(opensearch: Engine, serve: Serve, models: Models, e5: ModelServer) -> Mapping[str, float]:
    """For each mode, the share of questions for which the document with the answer is first."""
    fill(opensearch.url, INDEX, {"properties": {"body": {"type": "text"}}}, documents())
    flags = (*models.flags("e5"), "--policy", "replace")
    modes = {
        "truncate": ("--long-documents", "truncate"),
        "max_passage": ("--long-documents", "max_passage"),
        "limited": ("--long-documents", "max_passage", "--max-search-tokens", str(LIMITED_TOKENS)),
    }
    return {name: share(serve(opensearch.url, *flags, *mode)) for name, mode in modes.items()}


def share(endpoint: Endpoint) -> float:
    endpoint.await_health("ok")
    right = 0
    for number, question in enumerate(FACTS):
        query = {"bool": {"must": {"match_all": {}}, "should": {"match": {"body": question}}}}
        answer = endpoint.search(INDEX, {"query": query, "size": len(FACTS)})
        assert answer.outcome.startswith(f"reranked; window={len(FACTS)}"), answer.outcome
        right += answer.ids[0] == f"d{number}"
    return right / len(FACTS)


def test_reading_later_passages_finds_more_answers(shares: Mapping[str, float]) -> None:
    assert shares["max_passage"] - shares["truncate"] >= 0.5, shares
    assert shares["limited"] - shares["truncate"] >= 0.45, shares
