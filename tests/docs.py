"""Writes the generated parts of the documentation: `make docs`. tests/test_docs.py fails when they lag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from es_rerank.cli.options import shown
from es_rerank.config import rules
from es_rerank.config.settings import PREFIX, Settings
from es_rerank.reasons import REASONS
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.formats.endpoints import ENDPOINTS
from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.leaf_clauses import no_text
from es_rerank.search.query_text.retrievers import RETRIEVERS
from es_rerank.search.scoring import POLICIES
from tests.live.clauses import SAMPLES

_ENGINES = {"elasticsearch": "Elasticsearch 8.19", "opensearch": "OpenSearch 3.6"}
_OPENSEARCH = _ENGINES["opensearch"]
_BOTH = ", ".join(_ENGINES.values())
_DOCUMENTATION = "built after its documentation"
ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
SCHEMA = ROOT / "mappings" / "rule.schema.json"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings() -> str:
    rows = [
        (f"`{name}`", f"`--{name.replace('_', '-')}`", f"`{PREFIX}{name.upper()}`", _default(name, row), _words(row))
        for name, row in Settings.model_fields.items()
    ]
    return table(("key", "flag", "variable", "default", "what it is"), rows)


def rule_keys() -> str:
    rows = [(f"`{name}`", _words(row)) for name, row in rules.RuleFile.model_fields.items()]
    return table(("key", "what it is"), rows)


# What happens at each endpoint, and where that has been run.
_ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "_search": ("one search", _BOTH),
    "_search/template": ("the engine renders the template, stored or inline; then one search", _OPENSEARCH),
    "_msearch": ("many searches, each by itself; the engine is asked once for all of them", _BOTH),
    "_msearch/template": ("each template is rendered; then as `_msearch`", _OPENSEARCH),
    "_async_search": ("the answer is reranked when it is whole: at submit or at a later poll", _DOCUMENTATION),
    "_async_search/{id}": ("poll, status and delete by the id that the submit gave", _DOCUMENTATION),
    "_rank_eval": ("each request is searched as above; the engine rates that order", _OPENSEARCH),
    "_inference/{id}": ("Elasticsearch's rerank inference, for the ids in `inference_ids`", "needs no engine"),
}


def endpoints() -> str:
    methods: dict[str, set[str]] = {}
    for one in ENDPOINTS:
        methods.setdefault(one.name, set()).update(one.methods)
    rows = [(f"`{name}`", ", ".join(sorted(found)), *_ENDPOINTS[name]) for name, found in methods.items()]
    return table(("endpoint", "methods", "what it carries", "run on"), rows)


def clauses() -> str:
    rows = [(f"`{name}`", _run_on(name)) for name, clause in CLAUSES.items() if clause is not no_text]
    quiet = ", ".join(f"`{name}`" for name, clause in CLAUSES.items() if clause is no_text)
    return table(("clause", "run on"), rows) + f"\n\nWithout words: {quiet}."


def retrievers() -> str:
    rows = [(f"`{name}`", "no words" if one is no_text else "words") for name, one in RETRIEVERS.items()]
    return table(("retriever", "says"), rows)


def _run_on(clause: str) -> str:
    sample = SAMPLES.get(clause)
    names = sorted(sample.runs_on) if sample else []
    return ", ".join(_ENGINES[name] for name in names) or _DOCUMENTATION


def policies() -> str:
    words = {
        "replace": "1 + p in the window, b / (b + 10) below it",
        "probability": "p in the window, a millionth of b / (b + 10) below it",
        "linear": "1 + w p + (1 - w) b / (b + 10) in the window, b / (b + 10) below it",
        "rrf": "1 + the mean of both reciprocal ranks in the window, b / (b + 10) below it",
        "keep": "the engine's numbers, in the new order",
    }
    rows = [(f"`{name}`", words[name], f"{row.parameter:g}" if row.parameter else "") for name, row in POLICIES.items()]
    return table(("policy", "`_score`", "parameter"), rows)


def backends() -> str:
    rows = [
        (
            f"`{name}`",
            f"`{row.path}`" if row.path else "",
            "logits" if row.raw else "probabilities",
            _most(row.max_batch),
        )
        for name, row in BACKENDS.items()
    ]
    return table(("backend", "path", "asks for", "texts a request"), rows)


def profiles() -> str:
    rows = [
        (f"`{name}`", row.model, f"{row.max_tokens}", f"{row.max_passage_tokens}", row.long, row.languages)
        for name, row in PROFILES.items()
    ]
    return table(("profile", "model", "context", "passage tokens", "long documents", "languages"), rows)


def reasons() -> str:
    return table(
        ("why", "what it means", "what to do"), [(f"`{why}`", one.means, one.do) for why, one in REASONS.items()]
    )


BLOCKS: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "rule keys": rule_keys,
    "endpoints": endpoints,
    "clauses": clauses,
    "retrievers": retrievers,
    "policies": policies,
    "backends": backends,
    "profiles": profiles,
    "reasons": reasons,
}


def written(text: str) -> str:
    """Put every block between its markers."""
    for name, block in BLOCKS.items():
        start, end = f"<!-- generated: {name} -->\n", f"\n<!-- end: {name} -->"
        before, opening, rest = text.partition(start)
        _, closing, after = rest.partition(end)
        if not opening or not closing:
            raise ValueError(f"docs/reference.md has no markers for {name}")
        text = before + start + block() + end + after
    return text


def _default(name: str, row: FieldInfo) -> str:
    return f"`{shown(name, row)}`"


def _words(row: FieldInfo) -> str:
    return row.description or ""


def _most(count: int) -> str:
    return "" if count > 10_000 else str(count)


if __name__ == "__main__":
    REFERENCE.write_text(written(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(rules.schema(), encoding="utf-8")
