from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from es_rerank.cli import mustache
from es_rerank.errors import EsRerankError
from es_rerank.model import Why
from es_rerank.reasons import REASONS
from tests.cli.conftest import Run

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "requests.yaml").read_text(encoding="utf-8"))
MAPPING = {"library": {"mappings": {"properties": {"abstract": {"type": "text"}, "tag": {"type": "keyword"}}}}}


def explained(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("explain", *arguments)
    assert result.exit_code == 0, result.output
    searches: list[dict[str, Any]] = json.loads(result.stdout)["searches"]
    return searches


def body_file(tmp_path: Path, body: bytes) -> list[str]:
    (tmp_path / "body").write_bytes(body)
    return ["--body", str(tmp_path / "body")]


def request_body(case: dict[str, Any]) -> bytes:
    if "raw" in case:
        return str(case["raw"]).encode()
    lines = case["lines"] if "lines" in case else [case["body"]] if "body" in case else []
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_requests_of_clients_are_explained(case: dict[str, Any], run: Run, tmp_path: Path) -> None:
    method, _, path = case["request"].partition(" ")
    headers = [word for name, value in case.get("headers", {}).items() for word in ("-H", f"{name}: {value}")]
    found = explained(run, "--method", method, "--path", path, *headers, *body_file(tmp_path, request_body(case)))
    expected = case.get("searches", [case])
    assert [(one["query_text"], one["why"]) for one in found] == [(one.get("text"), one.get("why")) for one in expected]
    assert [one["decision"] for one in found] == ["skip" if "why" in one else "plan" for one in expected]
    for one in found:
        remedy = REASONS[Why(one["why"])] if one["why"] else (None, None)
        assert (one["means"], one["do"], one["note"]) == (*remedy, None)


def test_recorded_requests(folder_case: dict[str, Any], run: Run, tmp_path: Path) -> None:
    """Each file of the folder `--requests`; without that option, an example of their format."""
    body = folder_case.get("body_raw") or folder_case["body"]
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    mapping = ["--mapping", str(tmp_path / "mapping")] if folder_case.get("mapping") else []
    (tmp_path / "mapping").write_text(json.dumps(folder_case.get("mapping")))
    arguments = ["--method", folder_case["method"], "--path", folder_case["path"], *body_file(tmp_path, raw), *mapping]
    found = [one["query_text"] for one in explained(run, *arguments)]
    wanted = folder_case["expected_query_text"]
    folded = [text and " ".join(text.split()) for text in (wanted if isinstance(wanted, list) else [wanted])]
    assert found == folded


def test_a_planned_search_is_shown_with_its_engine_request(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text(json.dumps(MAPPING))
    body = b'{"query":{"match":{"abstract":"tidal"}},"_source":false,"n":12345678901234567890123}'
    path = "/library/_search?size=5&from=10"
    (found,) = explained(run, "--path", path, "--mapping", str(tmp_path / "mapping.json"), *body_file(tmp_path, body))
    number = {"n": 12345678901234567890123}
    assert found == {
        "decision": "plan",
        "why": None,
        "means": None,
        "do": None,
        "note": None,
        "query_text": "tidal",
        "rule": {"name": "default", "mode": "on", "policy": "replace", "deadline": 3.0, "template": None},
        "window": 50,
        "page": [10, 5],
        "passage_fields": ["abstract"],
        "passage_fields_from": "hits",
        "upstream": {
            "method": "POST",
            "path": "/library/_search?from=0&size=50",
            "body": {"query": {"match": {"abstract": "tidal"}}, "_source": False, **number, "fields": ["abstract"]},
        },
    }


def test_a_search_of_a_multi_search_is_shown_with_its_header(run: Run, tmp_path: Path) -> None:
    body = b'{"index":"library"}\n{"query":{"match":{"abstract":"tidal"}}}\n'
    (found,) = explained(run, "--path", "/_msearch", *body_file(tmp_path, body))
    assert found["upstream"] == {
        "method": "POST",
        "path": "/_msearch",
        "header": {"index": "library"},
        "body": {"query": {"match": {"abstract": "tidal"}}, "from": 0, "size": 50},
    }


@pytest.mark.parametrize(
    ("path", "field", "why"),
    [
        ("/library/_search", "abstract", None),
        ("/library/_search", "tag", "no_query_text"),
        ("/other/_search", "abstract", "no_rule"),
    ],
)
def test_mapping_and_rules_determine_the_plan(path: str, field: str, why: str | None, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "library.yaml").write_text("index: library\nwindow: 7\nfields: [abstract]\n")
    mapping = MAPPING if path.startswith("/library") else {"other": MAPPING["library"]}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    files = ["--mapping", str(tmp_path / "mapping.json"), "--mappings", str(tmp_path / "rules")]
    body = json.dumps({"query": {"match": {field: "tidal"}}}).encode()
    (found,) = explained(run, "--path", path, *files, *body_file(tmp_path, body))
    assert (found["why"], found["window"]) == (why, 0 if why else 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--path", "/_search", "-H", "no colon"], "NAME:VALUE"),
        (["--path", "/_search", "--mapping", "mapping.json"], "mapping.json"),
    ],
)
def test_invalid_input_is_named(arguments: list[str], message: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text("{")
    result = run("explain", *arguments)
    assert isinstance(result.exception, EsRerankError)
    assert message in str(result.exception)


def test_templates_async_searches_and_evaluations_are_shown_as_sent_to_the_engine(run: Run, tmp_path: Path) -> None:
    query = {"query": {"match": {"abstract": "tidal"}}}
    template = json.dumps({"source": query, "params": {}}).encode()
    (one,) = explained(run, "--path", "/library/_search/template", *body_file(tmp_path, template))
    assert one["upstream"]["path"] == "/library/_search/template"
    assert json.loads(one["upstream"]["body"]["params"]["search"]) == {**query, "from": 0, "size": 50}
    marked = {**query, "highlight": {"fields": {"abstract": {}}}}
    (one,) = explained(run, "--path", "/library/_async_search", *body_file(tmp_path, json.dumps(marked).encode()))
    assert one["upstream"]["body"] == marked
    rated = {"requests": [{"id": "a", "request": query, "ratings": []}], "metric": {"recall": {"k": 3}}}
    (one,) = explained(run, "--path", "/library/_rank_eval", *body_file(tmp_path, json.dumps(rated).encode()))
    assert (one["upstream"]["path"], one["page"]) == ("/library/_msearch", [0, 3])
    assert one["upstream"]["body"] == {**query, "from": 0, "size": 50}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/library/_search/template", {"source": {"query": {"match": {"abstract": "tidal"}}}}),
        ("/library/_search/template", {"id": "stored"}),
        (
            "/library/_rank_eval",
            {
                "requests": [{"id": "a", "template_id": "t", "params": {"a": 1}, "ratings": []}],
                "templates": [{"id": "t", "template": {"source": {"query": {"match": {"abstract": "tidal"}}}}}],
                "metric": {"recall": {"k": 3}},
            },
        ),
    ],
)
def test_without_pystache_a_template_is_reported_as_rendered_by_the_engine(
    path: str, body: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mustache.importlib.util, "find_spec", lambda _: None)
    (search,) = explained(run, "--path", path, *body_file(tmp_path, json.dumps(body).encode()))
    assert (search["decision"], search["why"], search["upstream"]) == ("unknown", None, None)
    assert search["note"] == ("rendered by the engine; install es-rerank[templates] to render inline templates offline")


def test_without_pystache_the_other_searches_are_explained(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mustache.importlib.util, "find_spec", lambda _: None)
    body = b'{"query":{"match":{"abstract":"tidal"}}}'
    (search,) = explained(run, "--path", "/library/_search", *body_file(tmp_path, body))
    assert (search["decision"], search["query_text"], search["note"]) == ("plan", "tidal", None)


def test_a_path_without_a_slash_is_an_error_and_not_called_another_kind_of_request(run: Run) -> None:
    found = run("explain", "--path", "library/_search?q=tidal")
    assert "--path: must start with a slash" in str(found.exception)
