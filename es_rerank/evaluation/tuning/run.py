"""Gets the hits of all judged queries, and scores them for each passage variant and window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from es_rerank.config.rules import Rules
from es_rerank.config.settings import Settings
from es_rerank.evaluation.judgments import Judgments
from es_rerank.evaluation.records import RecordFormat, Records
from es_rerank.evaluation.template import Template
from es_rerank.evaluation.tuning.hits import EngineSource
from es_rerank.evaluation.tuning.passage_variants import documents, variants
from es_rerank.evaluation.tuning.scoring import Found, QueryScorer, current_rule, find, read_texts, running
from es_rerank.evaluation.tuning.values import PassageVariant, Place, Pool, ScoredWindow
from es_rerank.evaluation.values import Query
from es_rerank.model import Rule
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder

Progress = Callable[[], None]
"""Called twice for each query: after its search, and after its hits have been scored."""


@dataclass(frozen=True, slots=True)
class Task:
    """The inputs of tuning, apart from the queries.

    Attributes:
        settings: The settings of the endpoint, which name the engine, the rerank server and the rules.
        index: The index expression.
        template: The search body, with placeholders for the query.
        k: Number of hits on the first page, which are measured.
        windows: The windows to compare, in addition to the window of the current rule.
        fields: Lists of fields to compare. If empty, they are derived from the documents.
        headers: Headers of each search, such as `Authorization`.
        resume: The file that stores the scores; None to keep the scores in memory only.

    """

    settings: Settings
    index: str
    template: Template
    k: int
    windows: Sequence[int]
    fields: Sequence[Sequence[str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resume: Path | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all queries.

    Attributes:
        rule: The current rule of the index.
        variants: The passage variants. The first variant is that of the current rule.
        places: The combinations of a variant and a window that were scored.
        pools: The hits and scores of each query.
        model: Name of the model.

    """

    rule: Rule
    variants: Sequence[PassageVariant]
    places: Sequence[Place]
    pools: Sequence[Pool]
    model: str


async def collect(task: Task, queries: Sequence[Query], judgments: Judgments, progress: Progress) -> Scores:
    """Search for every query, and return the scores of its hits, which are computed unless the file has them.

    Args:
        task: The inputs of tuning.
        queries: The judged queries; at least one.
        judgments: The judgments of the queries.
        progress: Called after each search, and after the hits of each query are scored.

    Raises:
        EsRerankError: If a search or scoring fails. The file then has the scores of the queries before it.

    """
    async with EngineSource(task.settings, task.index, task.headers) as engine, running(task.settings) as reranker:
        rule = await current_rule(engine, Rules(task.settings), task.template, queries[0])
        windows = sorted({*task.windows, rule.window})
        founds = []
        for query in queries:
            founds.append(await find(engine, task.template, query, task.k, max(*windows, task.k)))
            progress()
        compared = await _variants(engine, replace(rule, window=windows[-1]), task, founds)
        rules = {(at, window): one.applied(rule, window) for at, one in enumerate(compared) for window in windows}
        prompts = _prompts(task.settings, reranker.model)
        records = Records(_conditions(task, rule, compared, windows), _FORMAT, task.resume)
        pools = []
        with records.writer() as writer:
            for found in founds:
                done = records.get(found.query)
                if done is None or not done.is_of(found):
                    done = await _record(QueryScorer(engine, reranker, prompts, found), found, rules)
                    writer.add(found.query, done)
                pools.append(_pool(found, judgments, done))
                progress()
        return Scores(rule, compared, list(rules), pools, reranker.model)


async def _variants(engine: EngineSource, rule: Rule, task: Task, founds: Sequence[Found]) -> list[PassageVariant]:
    """Return the variants to compare, which depend on the texts that the model reads with the current rule."""
    seen = documents([await read_texts(engine, rule, found) for found in founds])
    return variants(rule, PROFILES[task.settings.profile], seen, task.fields)


async def _record(scorer: QueryScorer, found: Found, rules: Mapping[Place, Rule]) -> _Record:
    """Return the scores of the hits of one query, with the rule of each variant and window."""
    windows = {place: await scorer.score(rule) for place, rule in rules.items()}
    return _Record(_ids(found), found.hits.scores, windows)


def _prompts(settings: Settings, model: str) -> PromptBuilder:
    """Return the builder of the model's prompts."""
    return PromptBuilder(BACKENDS[settings.backend], PROFILES[settings.profile], model, settings.max_search_tokens)


def _pool(found: Found, judgments: Judgments, record: _Record) -> Pool:
    """Return the hits, the scores and the judgments of one query."""
    hits = found.hits
    return Pool(found.query, judgments.of(found.query), hits.shown, hits.scores, record.windows)


def _conditions(task: Task, rule: Rule, compared: Sequence[PassageVariant], windows: Sequence[int]) -> dict[str, Any]:
    """Return the inputs that the scores depend on, as JSON values. Headers are left out: they can contain secrets."""
    settings = task.settings
    return {
        "index": task.index,
        "template": task.template.body,
        "windows": list(windows),
        "variants": [asdict(one) for one in compared],
        "instruction": rule.instruction,
        "profile": settings.profile,
        "model": settings.model,
        "backend": settings.backend,
        "vectors": settings.vector_cache_bytes > 0,
    }


@dataclass(frozen=True, slots=True)
class _Record:
    """The scores of a query as the file stores them, with the ids and the engine's scores of the hits."""

    ids: Sequence[str]
    engine: Sequence[float]
    windows: Mapping[Place, ScoredWindow]

    def is_of(self, found: Found) -> bool:
        """Return whether the scores are for these hits. They are not if the index has changed since scoring."""
        return (list(self.ids), list(self.engine)) == (_ids(found), list(found.hits.scores))


def _ids(found: Found) -> list[str]:
    """Return the ids of the hits."""
    return [hit.id for hit in found.hits.shown]


def _dump(record: _Record) -> dict[str, Any]:
    """Return a record as JSON values."""
    windows = [{"place": list(place), **asdict(read)} for place, read in record.windows.items()]
    return {"ids": list(record.ids), "engine": list(record.engine), "windows": windows}


def _load(row: Mapping[str, Any]) -> _Record:
    """Read a record from JSON values."""
    windows = {
        tuple(one["place"]): ScoredWindow(tuple(one["model"]), one["exact"], one["passages"], one["tokens"])
        for one in row["windows"]
    }
    return _Record(row["ids"], row["engine"], windows)


_FORMAT = RecordFormat("the scores of a query", _dump, _load)
