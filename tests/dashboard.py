"""Generates the Grafana dashboard in docker/monitoring/grafana: `python -m tests.dashboard`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docker" / "monitoring"
DASHBOARD = FOLDER / "grafana" / "es-rerank.json"

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 24


class Panel(NamedTuple):
    """One panel: its queries with the legend of each, what it shows, and the unit of the values (Grafana's name)."""

    title: str
    text: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"


def rate(metric: str, by: str, where: str = "") -> str:
    """Return the query for the rate of a counter, by labels."""
    return f'sum by ({by}) (rate(es_rerank_{metric}{{instance=~"$instance"{where}}}[$__rate_interval]))'


def quantile(share: float, metric: str) -> str:
    """Return the query for a quantile of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', 'le')})"


def now(metric: str, aggregate: str = "sum", by: str = "") -> str:
    """Return the query for the value of a gauge."""
    grouping = f" by ({by})" if by else ""
    return f'{aggregate}{grouping} (es_rerank_{metric}{{instance=~"$instance"}})'


def times(metric: str) -> Sequence[tuple[str, str]]:
    """Return the queries for the median and the 95th percentile of a duration."""
    return ((quantile(0.5, metric), "median"), (quantile(0.95, metric), "95th percentile"))


_PROCESS = '{job="es-rerank", instance=~"$instance"}'
_FAILED = rate("searches_total", "why", ', outcome="failed"')
PANELS: Sequence[Panel] = (
    Panel("Degraded", "1 while searches cannot be reranked", ((now("degraded", "max"), ""),), kind="stat"),
    Panel(
        "Rerank servers by state",
        "Each worker counts its own view",
        ((now("reranker_servers", by="state"), "{{state}}"),),
    ),
    Panel("Version", "Endpoints by version", ((now("build_info", "count", "version"), "{{version}}"),), kind="stat"),
    Panel("Searches by outcome", "Per second", ((rate("searches_total", "outcome"), "{{outcome}}"),), "reqps"),
    Panel("Failures by reason", "Searches per second that got the engine's order", ((_FAILED, "{{why}}"),), "reqps"),
    Panel(
        "Skips by reason",
        "Searches per second that were not meant to be reranked",
        ((rate("searches_total", "why", ', outcome="skipped"'), "{{why}}"),),
        "reqps",
    ),
    Panel(
        "Searches by rule",
        "Per second",
        ((rate("rule_searches_total", "rule, outcome"), "{{rule}}: {{outcome}}"),),
        "reqps",
    ),
    Panel("Searches by endpoint", "Per second", ((rate("rule_searches_total", "endpoint"), "{{endpoint}}"),), "reqps"),
    Panel(
        "Passed through",
        "Requests without a search, per second",
        ((rate("passthrough_requests_total", "job"), "requests"),),
        "reqps",
    ),
    Panel("Time per request", "Requests with searches", times("request_duration_seconds"), "s"),
    Panel("Engine", "Time per request", times("engine_duration_seconds"), "s"),
    Panel("Reranker", "Time per request", times("rerank_duration_seconds"), "s"),
    Panel("es-rerank itself", "Time per request", times("overhead_duration_seconds"), "s"),
    Panel("Queue", "Waiting time per request to a rerank server", times("queue_duration_seconds"), "s"),
    Panel(
        "In flight",
        "Searches that are scored or queued",
        ((now("searches_in_flight"), "searches"), (now("reranker_requests_in_flight", by="server"), "{{server}}")),
    ),
    Panel(
        "Window read",
        "Share of the window that the model has read",
        ((f"{rate('documents_total', 'job')} / {rate('planned_documents_total', 'job')}", "share"),),
        "percentunit",
    ),
    Panel("Scores by source", "Documents per second", ((rate("documents_total", "from"), "{{from}}"),), "cps"),
    Panel(
        "Rank change",
        "Mean distance of the first ten hits from their ranks in the engine's order",
        ((f"{rate('rank_change_sum', 'job')} / {rate('rank_change_count', 'job')}", "ranks"),),
    ),
    Panel(
        "Requests to rerank servers",
        "Per second, by result",
        ((rate("reranker_requests_total", "server, result"), "{{server}}: {{result}}"),),
        "reqps",
    ),
    Panel(
        "Tokens", "Sent per second, by rerank server", ((rate("reranker_tokens_total", "server"), "{{server}}"),), "cps"
    ),
    Panel(
        "Errors of the engine", "Per second, by kind", ((rate("upstream_errors_total", "kind"), "{{kind}}"),), "reqps"
    ),
    Panel(
        "Shadow mode",
        "Share of the first ten hits that reranking keeps",
        ((f"{rate('shadow_overlap_sum', 'job')} / {rate('shadow_overlap_count', 'job')}", "overlap"),),
        "percentunit",
    ),
    Panel(
        "Memory",
        "Resident memory, and cached vectors",
        (
            (
                f"sum by (instance) (process_resident_memory_bytes{_PROCESS})",
                "{{instance}}",
            ),
            (now("vector_cache_bytes"), "vectors"),
        ),
        "bytes",
    ),
    Panel(
        "CPU",
        "Cores in use",
        (
            (
                f"sum by (instance) (rate(process_cpu_seconds_total{_PROCESS}[$__rate_interval]))",
                "{{instance}}",
            ),
        ),
    ),
)


def panel(number: int, row: Panel) -> dict[str, Any]:
    """Return a panel in Grafana's format, at its place in a grid of three columns."""
    at = number * _WIDTH
    return {
        "id": number + 1,
        "type": row.kind,
        "title": row.title,
        "description": row.text,
        "datasource": _SOURCE,
        "gridPos": {"x": at % _COLUMNS, "y": at // _COLUMNS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": row.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(row.queries)
        ],
    }


def dashboard() -> str:
    """Return the dashboard as JSON, in the format of Grafana 9 or newer."""
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "data source"},
        {
            "name": "instance",
            "type": "query",
            "datasource": _SOURCE,
            "query": "label_values(es_rerank_build_info, instance)",
            "refresh": 2,
            "includeAll": True,
            "allValue": ".+",
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]
    return (
        json.dumps(
            {
                "uid": "es-rerank",
                "title": "es-rerank",
                "schemaVersion": 39,
                "tags": ["es-rerank"],
                "time": {"from": "now-1h", "to": "now"},
                "refresh": "30s",
                "templating": {"list": variables},
                "panels": [panel(number, row) for number, row in enumerate(PANELS)],
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    DASHBOARD.write_text(dashboard(), encoding="utf-8")
