"""No command prints a secret, neither from its own setting nor from a wrong place in a configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from es_rerank.config.rule_file import RuleFile
from es_rerank.config.settings import Settings
from tests.cli.conftest import Run

SECRET = "s3cr3t*!&%9f2c"
PIECE = "s3cr3t"
SECRETS = {name for name, row in Settings.model_fields.items() if "SecretStr" in str(row.annotation)}
BOTH_SIDES = {
    "upstream_password": {"upstream_username": "me"},
    "shared_cache_password": {"shared_cache": "redis://127.0.0.1:9"},
}
# Values that error messages and `check` may show: file names, and names that are not validated.
SHOWN = {"mappings", "config", "model", "tokenizer", "instruction", "inference_ids", "aws_region", "upstream_username"}


def visible(result: Result) -> str:
    """Return all output, and the messages that a traceback would show."""
    causes: list[BaseException] = []
    error: BaseException | None = result.exception
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return result.output + "".join(map(str, causes))


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("way", ["flag", "variable", "file"])
def test_effective_secrets_are_masked(run: Run, tmp_path: Path, name: str, way: str) -> None:
    given = {name: SECRET, **BOTH_SIDES.get(name, {})}
    (tmp_path / "s.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in given.items()))
    flags = [part for key, value in given.items() for part in (f"--{key.replace('_', '-')}", value)]
    result = {
        "flag": lambda: run("check", *flags),
        "variable": lambda: run("check", **{f"ES_RERANK_{key.upper()}": value for key, value in given.items()}),
        "file": lambda: run("check", "--config", "s.yaml"),
    }[way]()
    assert (result.exit_code, f"{name}: '**********'" in result.output) == (0, True)
    assert PIECE not in visible(result)


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - SECRETS - SHOWN))
def test_a_secret_in_place_of_another_setting_is_not_printed(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "s.yaml").write_text(f"{name}: {json.dumps(SECRET)}\n")
    results = [run("check", "--config", "s.yaml"), run("check", **{f"ES_RERANK_{name.upper()}": SECRET})]
    for result in results:
        assert name in visible(result).replace("-", "_").lower()
        refused = result.exit_code != 0
        assert refused or name in {"listen_certificate", "listen_key", "listen_client_ca"} or "Path" in annotated(name)
        if refused:
            assert PIECE not in visible(result)


def annotated(name: str) -> str:
    return str(Settings.model_fields[name].annotation)


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{PIECE}@engine",
        f"http://{PIECE}@engine",
        f"http://engine/?api_key={PIECE}",
        f"http://engine/#{PIECE}",
        f"http://engine:{PIECE}",
        f"http://[{PIECE}]",
        f"http://[{PIECE}",
        f"//{PIECE}",
        f"{PIECE}",
        f"ftp://me:{PIECE}@engine",
    ],
)
@pytest.mark.parametrize("name", ["upstream", "reranker"])
def test_a_secret_in_a_url_is_not_printed(run: Run, name: str, url: str) -> None:
    result = run("check", f"--{name}", url)
    assert result.exit_code != 0
    assert PIECE not in visible(result)


@pytest.mark.parametrize(
    "text",
    [
        f"reranker_api_key: *{PIECE}\n",
        f"reranker_api_key: !{PIECE} x\n",
        f"reranker_api_key: &{PIECE} x\nmodel: &{PIECE} x\n",
        f"reranker_api_key: !{PIECE}!x\n",
        f"reranker_api_key: '{PIECE}\n",
        f'reranker_api_key: "{PIECE}\n',
        f'reranker_api_key: "\\q{PIECE}"\n',
        f"reranker_api_key: {{{PIECE}\n",
        f"reranker_api_key: [{PIECE}\n",
        f"reranker_api_key: {PIECE}: x\n",
        f"reranker_api_key: %{PIECE}\n",
        f"reranker_api_key: @{PIECE}\n",
        f"reranker_api_key: `{PIECE}`\n",
        f"reranker_api_key: |{PIECE}\n",
        f"reranker_api_key: >{PIECE}\n",
        f"reranker_api_key: !!int {PIECE}\n",
        f"reranker_api_key: !!timestamp {PIECE}\n",
        f"reranker_api_key: !!python/object:{PIECE} x\n",
        f"reranker_api_key:\n  token: {PIECE}\n",
        f"reranker_api_key: [{PIECE}]\n",
        f"window: 5\n {PIECE}: x\n",
        f"reranker_api_key {PIECE}\n",
        f"- {PIECE}\n",
        f"{PIECE}\n",
        f"<<: {PIECE}\n",
        f"? [{PIECE}]\n: x\n",
        f"%{PIECE}: x\n---\n- a\n",
        f"a: b\n\t{PIECE}: x\n",
        "reranker_api_key: " + "[\n" * 5_000 + PIECE,
        f"reranker_api_key: 2024-13-45 # {PIECE}\n",
    ],
)
def test_an_invalid_file_is_not_quoted(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "docs.yaml").write_text(text)
    for arguments in (("--config", "s.yaml"), ("--mappings", "rules")):
        result = run("check", *arguments)
        assert result.exit_code != 0
        assert ".yaml" in str(result.exception)
        assert PIECE not in visible(result)


@pytest.mark.parametrize("name", sorted(RuleFile.model_fields.keys() - {"index", "fields", "template", "instruction"}))
def test_a_secret_in_a_rule_is_not_printed(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "docs.yaml").write_text(f"index: docs\n{name}: {json.dumps(SECRET)}\n")
    result = run("check", "--mappings", ".")
    assert result.exit_code != 0
    assert PIECE not in visible(result)


def test_the_content_of_an_unreadable_file_is_not_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(f"reranker_api_key: {PIECE}\xe9\n".encode("latin-1"))
    result = run("check", "--config", "s.yaml")
    assert "cannot be read" in str(result.exception)
    assert PIECE not in visible(result)


@pytest.mark.parametrize(
    ("header", "fails"),
    [
        (f"Authorization: ApiKey {PIECE}", False),
        (f"Cookie: {PIECE}", False),
        (f"Authorization ApiKey {PIECE}", True),
    ],
)
def test_explain_prints_no_credentials(run: Run, tmp_path: Path, header: str, fails: bool) -> None:
    body: Any = {"query": {"match": {"body": "hose"}}}
    (tmp_path / "b.json").write_text(json.dumps(body))
    result = run("explain", "--path", "/docs/_search", "--body", "b.json", "-H", header)
    assert (result.exit_code != 0) is fails
    assert PIECE not in visible(result)
