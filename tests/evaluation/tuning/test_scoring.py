from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.tuning.hits import EngineSource
from es_rerank.evaluation.tuning.scoring import QueryScorer, current_rule, find, read_texts, running
from es_rerank.evaluation.tuning.values import ScoredWindow
from es_rerank.model import LongDocumentMode, LongDocuments, Rule
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.testing import FakeResponse, FakeServer, serve_fake

from .fakes import HOSE, TEMPLATE, both, found

RULE = Rule("docs", fields=("body",), window=2)
ANSWER = 1 / (1 + math.exp(-2))
SHORT = LongDocuments(LongDocumentMode.TRUNCATE, 16)


def prompts(settings: Settings) -> PromptBuilder:
    return PromptBuilder(BACKENDS[settings.backend], PROFILES[settings.profile], "model", settings.max_search_tokens)


async def test_windows_are_scored_as_at_the_endpoint_and_shared_scores_are_computed_once() -> None:
    places = {
        (0, 2): RULE,
        (0, 5): replace(RULE, window=5),
        (1, 2): replace(RULE, fields=("title",)),
        (2, 2): replace(RULE, long=SHORT),
    }
    async with (
        both() as (settings, _, model),
        EngineSource(settings, "docs", {}) as engine,
        running(settings) as reranker,
    ):
        hits = await find(engine, TEMPLATE, HOSE, 10, 5)
        scorer = QueryScorer(engine, reranker, prompts(settings), hits)
        windows = {place: await scorer.score(rule) for place, rule in places.items()}
    assert windows[0, 2].model == (0.5, ANSWER)
    assert windows[0, 5] == windows[0, 2]
    assert windows[1, 2] == ScoredWindow((0.5, 0.5), exact=True, passages=2, tokens=windows[1, 2].tokens)
    assert windows[2, 2] == windows[0, 2]
    assert not windows[0, 2].exact
    assert [one.json["text_2"] for one in model.seen] == [["hose hose", "answer hose"], ["hose", "A"]]


async def test_documents_that_are_cut_are_scored_for_each_limit() -> None:
    async with (
        both(partial(found, filler=" and more words" * 20)) as (settings, _, model),
        EngineSource(settings, "docs", {}) as engine,
        running(settings) as reranker,
    ):
        hits = await find(engine, TEMPLATE, HOSE, 10, 5)
        scorer = QueryScorer(engine, reranker, prompts(settings), hits)
        whole, short = await scorer.score(RULE), await scorer.score(replace(RULE, long=SHORT))
    assert len(model.seen) == 2
    assert short.tokens < whole.tokens
    assert all(len(text) < 100 for text in model.seen[1].json["text_2"])


async def test_what_the_model_reads_with_the_current_rule(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("index: docs\nfields: [title]\nwindow: 7\n")
    async with both(mappings=tmp_path) as (settings, _, _), EngineSource(settings, "docs", {}) as engine:
        rule = await current_rule(engine, Rules(settings), TEMPLATE, HOSE)
        assert (rule.name, rule.window) == ("mine", 7)
        hits = await find(engine, TEMPLATE, HOSE, 10, 5)
        assert await read_texts(engine, rule, hits) == (("title",), ["hose", "A"])


async def test_a_single_hit_keeps_the_engines_order_without_a_score() -> None:
    async with (
        both() as (settings, _, model),
        EngineSource(settings, "docs", {}) as engine,
        running(settings) as reranker,
    ):
        hits = await find(engine, TEMPLATE, HOSE, 10, 1)
        window = await QueryScorer(engine, reranker, prompts(settings), hits).score(RULE)
    assert window == ScoredWindow((None,))
    assert model.seen == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index: docs\nmode: off\n", "the rule of this index has `mode: off`: remove this key"),
        ("index: other\n", r"searches are not reranked \(no_rule\): Add a rule"),
    ],
)
async def test_an_index_without_a_rule_is_not_tuned(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    async with both(mappings=tmp_path) as (settings, _, _), EngineSource(settings, "docs", {}) as engine:
        with pytest.raises(EsRerankError, match=message):
            await current_rule(engine, Rules(settings), TEMPLATE, HOSE)


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"sort": "date"}, r"query '1': its search is not reranked \(sort\)"), ({"query": {"match_all": {}}}, "no_query")],
)
async def test_searches_that_are_not_reranked_are_named(body: dict[str, Any], reason: str) -> None:
    template = Template({**TEMPLATE.body, **body})
    async with both() as (settings, _, _), EngineSource(settings, "docs", {}) as engine:
        with pytest.raises(EsRerankError, match=reason):
            await find(engine, template, HOSE, 10, 5)


async def test_searches_with_a_reranker_of_their_own_are_not_tuned() -> None:
    retriever = {"retriever": {"standard": {"query": TEMPLATE.body["query"]}}, "field": "body", "inference_text": "x"}
    template = Template({"retriever": {"text_similarity_reranker": retriever}})
    async with both() as (settings, _, _), EngineSource(settings, "docs", {}) as engine:
        with pytest.raises(EsRerankError, match="the template names a reranker, or a query text for one: remove it"):
            await find(engine, template, HOSE, 10, 5)


async def test_a_model_that_fails_ends_the_tuning() -> None:
    async with (
        both() as (settings, _, model),
        EngineSource(settings, "docs", {}) as engine,
        running(settings) as reranker,
    ):
        hits = await find(engine, TEMPLATE, HOSE, 10, 5)
        model.says = {"": FakeResponse(json.dumps({"error": "no"}).encode(), status=400)}
        with pytest.raises(EsRerankError, match=r"query '1': scoring failed \(refused\)"):
            await QueryScorer(engine, reranker, prompts(settings), hits).score(RULE)


async def test_a_rerank_server_that_fails_its_self_test_is_not_used() -> None:
    async with both() as (settings, _, _), serve_fake(FakeServer({"": FakeResponse(b"{}", status=500)})) as broken:
        with pytest.raises(EsRerankError, match="the rerank server cannot be used: "):
            async with running(settings.model_copy(update={"reranker": (broken.url,), "self_test": True})):
                pass
