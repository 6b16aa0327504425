"""Writes the generated parts of the documentation: `make docs`. tests/test_docs.py fails when they lag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from es_rerank import rules
from es_rerank.cli.options import shown
from es_rerank.config import PREFIX, Settings
from es_rerank.reasons import REASONS
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.search.endpoints import ENDPOINTS
from es_rerank.search.policy import POLICIES
from es_rerank.search.query import CLAUSES, silent

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


def endpoints() -> str:
    rows = [(f"`{one.name}`", ", ".join(sorted(one.methods))) for one in ENDPOINTS]
    return table(("endpoint", "methods"), rows)


def clauses() -> str:
    rows = [(f"`{name}`", "no words" if clause is silent else "words") for name, clause in CLAUSES.items()]
    return table(("clause", "says"), rows)


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
        (f"`{name}`", row.model, f"{row.max_tokens}", f"{row.passage_tokens}", row.long, row.languages)
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
