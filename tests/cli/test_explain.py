from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from es_rerank.errors import EsRerankError
from tests.cli.conftest import Run

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "requests.yaml").read_text(encoding="utf-8"))
MAPPING = {"library": {"mappings": {"properties": {"abstract": {"type": "text"}, "tag": {"type": "keyword"}}}}}


def explained(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("explain", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["searches"]
    return found


def asked(tmp_path: Path, body: bytes) -> list[str]:
    (tmp_path / "body").write_bytes(body)
    return ["--body", str(tmp_path / "body")]


def sent(case: dict[str, Any]) -> bytes:
    if "raw" in case:
        return str(case["raw"]).encode()
    lines = case["lines"] if "lines" in case else [case["body"]] if "body" in case else []
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_requests_of_clients(case: dict[str, Any], run: Run, tmp_path: Path) -> None:
    method, _, path = case["request"].partition(" ")
    headers = [word for name, value in case.get("headers", {}).items() for word in ("-H", f"{name}: {value}")]
    found = explained(run, "--method", method, "--path", path, *headers, *asked(tmp_path, sent(case)))
    expected = case.get("searches", [case])
    assert [(one["query_text"], one["why"]) for one in found] == [(one.get("text"), one.get("why")) for one in expected]
    assert [one["decision"] for one in found] == ["skip" if "why" in one else "plan" for one in expected]


def test_a_request_of_another_client(folder_case: dict[str, Any], run: Run, tmp_path: Path) -> None:
    """Runs for each file of the folder that `--requests` names; without one, for a case that stands for its form."""
    body = folder_case.get("body_raw") or folder_case["body"]
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    mapping = ["--mapping", str(tmp_path / "mapping")] if folder_case.get("mapping") else []
    (tmp_path / "mapping").write_text(json.dumps(folder_case.get("mapping")))
    arguments = ["--method", folder_case["method"], "--path", folder_case["path"], *asked(tmp_path, raw), *mapping]
    found = [one["query_text"] for one in explained(run, *arguments)]
    wanted = folder_case["expected_query_text"]
    folded = [text and " ".join(text.split()) for text in (wanted if isinstance(wanted, list) else [wanted])]
    assert found == folded


def test_a_plan_is_shown_with_what_the_engine_is_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text(json.dumps(MAPPING))
    body = b'{"query":{"match":{"abstract":"tidal"}},"_source":false,"n":12345678901234567890123}'
    path = "/library/_search?size=5&from=10"
    (found,) = explained(run, "--path", path, "--mapping", str(tmp_path / "mapping.json"), *asked(tmp_path, body))
    number = {"n": 12345678901234567890123}
    assert found == {
        "decision": "plan",
        "why": None,
        "query_text": "tidal",
        "window": 50,
        "page": [10, 5],
        "passage_fields": ["abstract"],
        "upstream": {
            "method": "POST",
            "path": "/library/_search?from=0&size=50",
            "body": {"query": {"match": {"abstract": "tidal"}}, "_source": False, **number, "fields": ["abstract"]},
        },
    }


def test_one_of_many_searches_is_shown_with_its_header(run: Run, tmp_path: Path) -> None:
    body = b'{"index":"library"}\n{"query":{"match":{"abstract":"tidal"}}}\n'
    (found,) = explained(run, "--path", "/_msearch", *asked(tmp_path, body))
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
def test_mapping_and_rules_decide(path: str, field: str, why: str | None, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "library.yaml").write_text("index: library\nwindow: 7\nfields: [abstract]\n")
    mapping = MAPPING if path.startswith("/library") else {"other": MAPPING["library"]}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    files = ["--mapping", str(tmp_path / "mapping.json"), "--mappings", str(tmp_path / "rules")]
    body = json.dumps({"query": {"match": {field: "tidal"}}}).encode()
    (found,) = explained(run, "--path", path, *files, *asked(tmp_path, body))
    assert (found["why"], found["window"]) == (why, 0 if why else 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--path", "/_search", "-H", "no colon"], "NAME:VALUE"),
        (["--path", "/_search", "--mapping", "mapping.json"], "mapping.json"),
    ],
)
def test_bad_input_is_named(arguments: list[str], words: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text("{")
    result = run("explain", *arguments)
    assert isinstance(result.exception, EsRerankError)
    assert words in str(result.exception)


def test_a_template_and_an_evaluation_are_shown_as_the_engine_is_asked(run: Run, tmp_path: Path) -> None:
    query = {"query": {"match": {"abstract": "tidal"}}}
    template = json.dumps({"source": query, "params": {}}).encode()
    (one,) = explained(run, "--path", "/library/_search/template", *asked(tmp_path, template))
    assert one["upstream"]["path"] == "/library/_search/template"
    assert json.loads(one["upstream"]["body"]["params"]["search"]) == {**query, "from": 0, "size": 50}
    marked = {**query, "highlight": {"fields": {"abstract": {}}}}
    (one,) = explained(run, "--path", "/library/_async_search", *asked(tmp_path, json.dumps(marked).encode()))
    assert one["upstream"]["body"] == marked
    rated = {"requests": [{"id": "a", "request": query, "ratings": []}], "metric": {"recall": {"k": 3}}}
    (one,) = explained(run, "--path", "/library/_rank_eval", *asked(tmp_path, json.dumps(rated).encode()))
    assert (one["upstream"]["path"], one["page"]) == ("/library/_search?from=0&size=50", [0, 3])
