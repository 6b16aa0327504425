"""Write the generated parts of the documentation (`make docs`). tests/test_docs.py fails when they lag."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from es_rerank.cli.options import shown
from es_rerank.cli.size import shown_rate, shown_seconds
from es_rerank.config import rule_file
from es_rerank.config.loading import PREFIX
from es_rerank.config.settings import Settings
from es_rerank.model import LongDocuments, Why
from es_rerank.reasons import REASONS
from es_rerank.rerank.backends import BACKENDS
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.prompt import PromptBuilder
from es_rerank.rerank.sizing import Sizing
from es_rerank.search.fields.names import read_name
from es_rerank.search.formats.endpoints import ENDPOINTS
from es_rerank.search.passages import planned_passages
from es_rerank.search.query_text.clauses import CLAUSES
from es_rerank.search.query_text.leaf_clauses import no_text
from es_rerank.search.query_text.retrievers import RETRIEVERS
from es_rerank.search.scoring import POLICIES
from es_rerank.server.metric_table import FAILURES, METRIC_PREFIX, METRICS, MetricRow
from tests.extensions import EXTENSIONS, Extension
from tests.live.clauses import SAMPLES
from tests.search.mappings import CASES as MAPPING_CASES
from tests.search.mappings import planned
from tests.test_structure import LEVELS, PACKAGES

_ENGINES = {"elasticsearch": "Elasticsearch 8.19", "opensearch": "OpenSearch 3.6"}
_OPENSEARCH = _ENGINES["opensearch"]
_BOTH = ", ".join(_ENGINES.values())
_DOCUMENTATION = "not tested; implemented from its documentation"
ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
KIBANA = ROOT / "docs" / "kibana.md"
FIELDS = ROOT / "docs" / "fields.md"
MODELS = ROOT / "docs" / "models.md"
OPERATIONS = ROOT / "docs" / "operations.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
SCALING = ROOT / "docs" / "scaling.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
_KIBANA_CASES = ROOT / "tests" / "cases" / "kibana.yaml"
SCHEMA = ROOT / "mappings" / "rule.schema.json"
CHART_SCHEMA = ROOT / "docker" / "helm" / "es-rerank" / "values.schema.json"
# Settings that the chart sets itself, and those of files that it does not mount.
_MANAGED = {"listen", "admin_listen", "mappings", "reload", "shared_cache"}
_NOT_IN_CHART = _MANAGED | {"listen_certificate", "listen_key", "listen_client_ca"}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings() -> str:
    rows = [
        (f"`{name}`", f"`--{name.replace('_', '-')}`", f"`{PREFIX}{name.upper()}`", _default(name, row), _words(row))
        for name, row in Settings.model_fields.items()
    ]
    return table(("key", "flag", "variable", "default", "description"), rows)


def rule_keys() -> str:
    rows = [(f"`{name}`", _words(row)) for name, row in rule_file.RuleFile.model_fields.items()]
    return table(("key", "description"), rows)


# The searches that an endpoint carries, and the engines that it is tested on.
_ENDPOINTS: Mapping[str, tuple[str, str]] = {
    "_search": ("one search", _BOTH),
    "_search/template": ("one search; the engine renders the stored or inline template", _OPENSEARCH),
    "_msearch": ("several searches, each reranked independently", _BOTH),
    "_msearch/template": ("several searches, as in `_msearch`; the engine renders the templates", _OPENSEARCH),
    "_async_search": ("one search; the final response to the submit or to a later poll is reranked", _DOCUMENTATION),
    "_async_search/{id}": ("poll, status and delete, with the id that the submit returned", _DOCUMENTATION),
    "_rank_eval": ("one search per rated request; the engine evaluates the reranked order", _OPENSEARCH),
    "_inference/{id}": (
        "no search; for the ids in `inference_ids`, es-rerank answers requests to Elasticsearch's rerank API itself",
        "not sent to the engine, which only authenticates the caller",
    ),
}


def endpoints() -> str:
    methods: dict[str, set[str]] = {}
    for endpoint in ENDPOINTS:
        methods.setdefault(endpoint.endpoint, set()).update(endpoint.methods)
    rows = [(f"`{name}`", ", ".join(sorted(known)), *_ENDPOINTS[name]) for name, known in methods.items()]
    return table(("endpoint", "methods", "searches", "tested on"), rows)


def clauses() -> str:
    rows = [(f"`{name}`", _run_on(name)) for name, clause in CLAUSES.items() if clause is not no_text]
    without = ", ".join(f"`{name}`" for name, clause in CLAUSES.items() if clause is no_text)
    return table(("clause with text", "tested on"), rows) + f"\n\nClauses without text: {without}."


def retrievers() -> str:
    rows = [(f"`{name}`", "no" if retriever is no_text else "yes") for name, retriever in RETRIEVERS.items()]
    return table(("retriever", "has query text"), rows)


def _run_on(clause: str) -> str:
    sample = SAMPLES.get(clause)
    names = sorted(sample.runs_on) if sample else []
    return ", ".join(_ENGINES[name] for name in names) or _DOCUMENTATION


# The `_score` of a hit in the window and of a hit below it. b is the engine's score, p the model's probability.
_SCORES: Mapping[str, tuple[str, str]] = {
    "replace": ("1 + p", "b / (b + 10)"),
    "probability": ("p", "0.000001 b / (b + 10)"),
    "linear": ("1 + w p + (1 - w) b / (b + 10)", "b / (b + 10)"),
    "blend": ("1 + w m + (1 - w) e", "b / (b + 10)"),
    "rrf": ("1 + the mean of (k + 1) / (k + rank) for the engine's rank and the model's rank", "b / (b + 10)"),
    "keep": ("the engine's scores of the window, assigned in the new order", "the engine's score"),
}


def policies() -> str:
    rows = [
        (f"`{name}`", *_SCORES[name], f"{row.parameter:g}" if row.parameter else "") for name, row in POLICIES.items()
    ]
    return table(("policy", "`_score` in the window", "`_score` below the window", "default w or k"), rows)


def backends() -> str:
    rows = [
        (
            f"`{name}`",
            f"`{row.path}`" if row.path else "",
            "logits" if row.raw else "probabilities",
            _batch_size(row.max_batch),
        )
        for name, row in BACKENDS.items()
    ]
    return table(("backend", "path", "scores in responses", "maximum texts per request"), rows)


def profiles() -> str:
    rows = [
        (
            f"`{name}`",
            row.model,
            f"{row.max_tokens}",
            f"{row.max_passage_tokens}",
            PromptBuilder(BACKENDS["vllm"], row, row.model, 0).limits(LongDocuments(), "").mode,
            f"`{row.policy}`",
        )
        for name, row in PROFILES.items()
    ]
    head = ("profile", "model", "context (tokens)", "passage (max. tokens)", "long documents", "policy")
    return table(head, rows)


def models() -> str:
    rows = [
        (
            f"`{name}`",
            f"{row.size:,} M",
            f"{max(0.1, row.size * (1 if 'fp8' in row.flags else 2) / 1000):.1f} GB",
            f"{row.max_tokens:,}",
            "English" if row.languages == "en" else "many",
            row.license,
        )
        for name, row in PROFILES.items()
    ]
    head = ("profile", "parameters", "weights in GPU memory, about", "context (tokens)", "languages", "license")
    return table(head, rows)


def reasons() -> str:
    rows = [(f"`{why}`", reason.means, reason.do) for why, reason in REASONS.items()]
    return table(("reason", "meaning", "what to do"), rows)


def failures() -> str:
    return _reasons_of(lambda why: why in FAILURES)


def skips() -> str:
    return _reasons_of(lambda why: why not in FAILURES)


def _reasons_of(chosen: Callable[[Why], bool]) -> str:
    """Return the reasons as sections, so that each can be linked to."""
    return "\n\n".join(
        f"### `{why}`\n\n{reason.means} **What to do:** {reason.do}" for why, reason in REASONS.items() if chosen(why)
    )


def alerts() -> str:
    groups = yaml.safe_load((ROOT / "docker" / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    rows = [
        (f"`{rule['alert']}`", rule["labels"]["severity"], rule["for"], rule["annotations"]["do"])
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]
    return table(("alert", "severity", "after", "what to do"), rows)


def metric_rows() -> dict[str, MetricRow]:
    """Return each metric, by its name."""
    return {METRIC_PREFIX + name: row for name, row in METRICS.items()}


def metrics() -> str:
    rows = [
        (f"`{name}`", row.kind, ", ".join(f"`{label}`" for label in row.labels), row.text)
        for name, row in metric_rows().items()
    ]
    return table(("metric", "type", "labels", "description"), rows)


def kibana_cases() -> Mapping[str, list[dict[str, Any]]]:
    """Return the requests of Kibana (`kibana`) and of OpenSearch Dashboards (`dashboards`)."""
    cases: Mapping[str, list[dict[str, Any]]] = yaml.safe_load(_KIBANA_CASES.read_text(encoding="utf-8"))
    return cases


def _kibana_table(program: str) -> str:
    rows = [
        (row["where"], row["does"], _kibana_outcome(row.get("outcome", "")), row["because"])
        for row in kibana_cases()[program]
    ]
    return table(("where", "what a user or the program does", "`X-Rerank`", "reason"), rows)


def _kibana_outcome(outcome: str) -> str:
    return f"`{outcome}`" if outcome else "no header, because the request is not a search"


def fields() -> str:
    """Show which fields of common kinds of documents the model reads, and what it reads of the first document."""
    rows = []
    for case in MAPPING_CASES:
        sources = [(document, {}) for document in case.documents]
        texts, names = planned_passages(sources, planned(case, case.types(dynamic=True)))
        groups = dict.fromkeys(group_of(name) for name in names)
        ignored = ", ".join(f"`{name}`" for name in case.never[:_SHOWN_FIELDS])
        start = (texts[0] or "").replace("\n", "<br>")
        shown = start if len(start) <= _SHOWN_CHARACTERS else start[:_SHOWN_CHARACTERS].rsplit(" ", 1)[0] + " ..."
        rows.append((case.about, ", ".join(f"`{name}`" for name in groups), shown, ignored))
    return table(("documents", "fields that are read", "passage of a document", "not read, for example"), rows)


def group_of(name: str) -> str:
    group = read_name(name).group
    return f"{group}_*" if group else name


def levels() -> str:
    rows = [
        (str(number), _link(package), _first_line(package)) for number, names in enumerate(LEVELS) for package in names
    ]
    return table(("level", "module or package", "description"), rows)


def _source(package: str) -> Path:
    """Return the file with the docstring of a package or module of LEVELS."""
    lab = PACKAGES[1]
    folder = lab if package == lab.name else PACKAGES[0] / package
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _link(package: str) -> str:
    source = _source(package)
    target = source.parent if source.name == "__init__.py" else source
    name = target.relative_to(ROOT).as_posix() + ("/" if target.is_dir() else "")
    return f"[`{target.stem}{'/' if target.is_dir() else ''}`]({name})"


def _first_line(package: str) -> str:
    docstring = ast.get_docstring(ast.parse(_source(package).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def extensions() -> str:
    rows = [(one.what, f"`{one.example}`", _files(one), _tests(one)) for one in EXTENSIONS]
    return table(("to add", "existing example", "files to change", "tests and docs to change"), rows)


def _files(extension: Extension) -> str:
    return "<br>".join(f"`{place.path}`: {place.change}" for place in extension.files)


def _tests(extension: Extension) -> str:
    return "<br>".join(f"`{place.path}`: {place.change}" for place in extension.tests)


_SHOWN_FIELDS, _SHOWN_CHARACTERS = 5, 160
Blocks = Mapping[str, Callable[[], str]]

# The generated parts of each page, by the name in the part's markers.
# Examples of a server's throughput in tokens per second.
_TOKENS_PER_SECOND = (10_000, 50_000, 200_000)


def sizing() -> str:
    head = ("window", "tokens per passage", *(f"{rate:,} tokens/s" for rate in _TOKENS_PER_SECOND))
    rows = [
        (str(window), str(tokens), *(_sized(Sizing(rate, window, tokens)) for rate in _TOKENS_PER_SECOND))
        for window in (20, 50, 100)
        for tokens in (128, 256, 1024)
    ]
    return table(head, rows)


def _sized(server: Sizing) -> str:
    """Return the searches per second of a server, and the time that one search takes, as a cell."""
    return f"{shown_rate(server.searches_per_second)} ({shown_seconds(server.search_seconds)})"


PAGES: Mapping[Path, Blocks] = {
    SCALING: {"sizing": sizing},
    REFERENCE: {
        "settings": settings,
        "rule keys": rule_keys,
        "endpoints": endpoints,
        "clauses": clauses,
        "retrievers": retrievers,
        "policies": policies,
        "reasons": reasons,
        "metrics": metrics,
        "backends": backends,
        "profiles": profiles,
    },
    KIBANA: {"kibana": partial(_kibana_table, "kibana"), "dashboards": partial(_kibana_table, "dashboards")},
    FIELDS: {"fields": fields},
    MODELS: {"models": models},
    OPERATIONS: {"alerts": alerts},
    TROUBLESHOOTING: {"failed": failures, "skipped": skips},
    CONTRIBUTING: {"levels": levels, "extensions": extensions},
}


def regenerate(text: str, blocks: Blocks) -> str:
    """Return the text of a page with the current content between the markers of each block.

    Raises:
        ValueError: A block has no markers in the text.
    """
    for name, block in blocks.items():
        start, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, opening, rest = text.partition(start)
        _, closing, after = rest.partition(end)
        if not opening or not closing:
            raise ValueError(f"the page has no markers for {name}")
        text = f"{before}{start}{block()}\n{end}{after}"
    return text


def _default(name: str, row: FieldInfo) -> str:
    return f"`{shown(name, row)}`"


def _words(row: FieldInfo) -> str:
    return row.description or ""


def _batch_size(count: int) -> str:
    return "" if count > 10_000 else str(count)


def chart_schema(text: str) -> str:
    """Return the schema of the chart's values with all settings that are no secrets; *text* is the schema before."""
    schema = json.loads(text)
    schema["properties"]["settings"]["properties"] = {
        name: {"description": row.description}
        for name, row in Settings.model_fields.items()
        if name not in _NOT_IN_CHART and "Secret" not in str(row.annotation)
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for page, blocks in PAGES.items():
        page.write_text(regenerate(page.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    SCHEMA.write_text(rule_file.schema(), encoding="utf-8")
    CHART_SCHEMA.write_text(chart_schema(CHART_SCHEMA.read_text(encoding="utf-8")), encoding="utf-8")
