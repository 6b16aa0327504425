from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from es_rerank.rerank.profiles import PROFILES
from tests.cli.conftest import Run


@pytest.mark.parametrize("name", PROFILES)
def test_the_command_of_every_profile(run: Run, name: str) -> None:
    result = run("model", "command", name)
    assert result.exit_code == 0
    words = shlex.split(result.output)
    assert words[0] == "python"
    assert words[words.index("--model") + 1] == PROFILES[name].model
    assert words[words.index("--runner") + 1] == "pooling"
    assert ("--hf-overrides" in words) is name.startswith("qwen3")


def test_qwen3_gets_a_template_that_is_there(run: Run) -> None:
    words = shlex.split(run("model", "command", "qwen3-reranker-4b").output)
    assert Path(words[words.index("--chat-template") + 1]).is_file()


def test_what_follows_is_given_to_vllm_as_it_is(run: Run) -> None:
    words = shlex.split(run("model", "command", "bge-reranker", "--", "--port", "8001", "--dtype", "half").output)
    assert words[-4:] == ["--port", "8001", "--dtype", "half"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gpt"], "'gpt' is not one of"),
        ([], "Missing argument 'PROFILE'"),
    ],
)
def test_what_cannot_be_served(run: Run, arguments: list[str], words: str) -> None:
    result = run("model", "command", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_serving_becomes_that_program(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, command, _environment: started.append(command))
    assert run("model", "serve", "bge-reranker", "--", "--port", "1").exit_code == 0
    printed = shlex.split(run("model", "command", "bge-reranker", "--", "--port", "1").output)
    assert started[0][1:] == printed[1:]
