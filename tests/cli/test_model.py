from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from es_rerank.cli import model
from es_rerank.errors import EsRerankError
from es_rerank.rerank.profiles import PROFILES
from tests.cli.conftest import Run


@pytest.mark.parametrize("name", PROFILES)
def test_the_command_line_of_every_profile(run: Run, name: str) -> None:
    result = run("model", "command", name)
    assert result.exit_code == 0
    words = shlex.split(result.output)
    assert words[0] == "python"
    assert words[words.index("--model") + 1] == PROFILES[name].model
    assert words[words.index("--runner") + 1] == "pooling"
    assert ("--hf-overrides" in words) is ("--hf-overrides" in PROFILES[name].flags)


def test_the_chat_template_of_qwen3_exists(run: Run) -> None:
    words = shlex.split(run("model", "command", "qwen3-reranker-4b").output)
    assert Path(words[words.index("--chat-template") + 1]).is_file()


def test_further_arguments_are_passed_to_vllm_unchanged(run: Run) -> None:
    words = shlex.split(run("model", "command", "bge-reranker", "--", "--port", "8001", "--dtype", "half").output)
    assert words[-4:] == ["--port", "8001", "--dtype", "half"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gpt"], "'gpt' is not one of"),
        ([], "Missing argument 'PROFILE'"),
    ],
)
def test_an_unknown_profile_is_a_usage_error(run: Run, arguments: list[str], message: str) -> None:
    result = run("model", "command", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_model_serve_executes_the_command_that_model_command_prints(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, command, _environment: started.append(command))
    assert run("model", "serve", "bge-reranker", "--", "--port", "1").exit_code == 0
    printed = shlex.split(run("model", "command", "bge-reranker", "--", "--port", "1").output)
    assert started[0][1:] == printed[1:]


@pytest.mark.parametrize(("name", "shown"), [("jina-reranker-v3", True), ("bge-reranker", False)])
def test_a_license_without_commercial_use_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, shown: bool
) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: None)
    assert ("CC-BY-NC-4.0, excludes commercial use" in run("model", "serve", name).output) is shown


def test_without_vllm_the_error_names_the_package_and_what_to_do_on_a_cpu(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "vllm_installed", lambda: False)
    result = run("model", "serve", "e5")
    assert isinstance(result.exception, EsRerankError)
    assert str(result.exception).startswith("vLLM is not installed: pip install 'es-rerank[vllm]', or `make demo`")
