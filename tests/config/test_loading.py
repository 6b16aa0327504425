from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from es_rerank.config.loading import in_force, load
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "es-rerank.yaml"


def test_without_configuration_the_defaults_are_in_force() -> None:
    settings = load({"window": None}, {"PATH": "x", "ES_RERANK_CONFIG": "y"}, None)
    assert settings == Settings()
    assert (settings.window, settings.deadline, settings.backend) == (50, 3.0, "vllm")


def test_flags_override_variables_and_variables_the_file(file: Path) -> None:
    file.write_text("window: 10\ndeadline: 1m\nreranker_queue_size: 5\npolicy: keep\n")
    settings = load({"window": "30"}, {"ES_RERANK_WINDOW": "20", "ES_RERANK_DEADLINE": "500ms"}, file)
    assert (settings.window, settings.deadline, settings.reranker_queue_size, settings.policy) == (30, 0.5, 5, "keep")


@pytest.mark.parametrize(
    ("flags", "environment", "text", "words"),
    [
        ({"window": "0"}, {}, "", "--window: must be at least 2"),
        ({"max_search_tokens": "x"}, {}, "", "--max-search-tokens: must be an integer"),
        ({}, {"ES_RERANK_WINDOW": "many"}, "", "ES_RERANK_WINDOW: must be an integer"),
        ({}, {"ES_RERANK_WINDWO": "5"}, "", "ES_RERANK_WINDWO: unknown variable; did you mean `ES_RERANK_WINDOW`?"),
        (
            {},
            {},
            "reranker_queue_size: 1\n\nwindow: many\n",
            "es-rerank.yaml:3: window: must be an integer",
        ),
        ({}, {}, "reranker_queue_size: 1\ndeadline: .inf\n", "es-rerank.yaml:2: deadline: must be a duration"),
        ({}, {}, "windwo: 5\n", "es-rerank.yaml:1: windwo: unknown key; did you mean `window`?"),
        ({"window": "many"}, {}, "window: 3\n", "--window: "),
    ],
)
def test_errors_name_flag_variable_or_file_and_line(
    flags: dict[str, Any], environment: dict[str, str], text: str, words: str, file: Path
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(flags, environment, file)
    assert words in str(error.value)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load({"window": "0", "backend": "none"}, {"ES_RERANK_RERANKER_QUEUE_SIZE": "-1"}, None)
    assert sorted(line.partition(":")[0] for line in str(error.value).splitlines()) == [
        "--backend",
        "--window",
        "ES_RERANK_RERANKER_QUEUE_SIZE",
    ]


def test_no_error_contains_a_password() -> None:
    with pytest.raises(ConfigError) as error:
        load({"upstream": "http://me:s3cret@engine?x", "reranker_api_key": ["s3cret"]}, {}, None)
    assert "s3cret" not in str(error.value)


def test_settings_in_force_are_shown_without_secrets() -> None:
    secret = dict.fromkeys(("reranker_api_key", "upstream_password"), "s3cret")
    shown = in_force(load({**secret, "upstream_username": "me", "upstream": "http://engine"}, {}, None))
    assert "s3cret" not in str(shown)
    assert list(shown) == list(Settings.model_fields)
    assert (shown["deadline"], shown["upstream"], shown["mappings"]) == ("3s", ["http://engine"], None)
