from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from es_rerank.config import Settings, host_and_port, in_force, load, policy_spec
from es_rerank.errors import ConfigError
from es_rerank.model import PolicySpec


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "es-rerank.yaml"


def test_without_anything_the_defaults_hold() -> None:
    settings = load({"window": None}, {"PATH": "x", "ES_RERANK_CONFIG": "y"}, None)
    assert settings == Settings()
    assert (settings.window, settings.deadline, settings.backend) == (50, 3.0, "vllm")


def test_flags_stand_above_variables_above_the_file(file: Path) -> None:
    file.write_text("window: 10\ndeadline: 1m\nqueue: 5\npolicy: keep\n")
    settings = load({"window": "30"}, {"ES_RERANK_WINDOW": "20", "ES_RERANK_DEADLINE": "500ms"}, file)
    assert (settings.window, settings.deadline, settings.queue, settings.policy) == (30, 0.5, 5, "keep")


@pytest.mark.parametrize(
    ("flags", "environment", "text", "words"),
    [
        ({"window": "0"}, {}, "", "--window: Input should be greater than or equal to 2"),
        ({"search_tokens": "x"}, {}, "", "--search-tokens: Input should be a valid integer"),
        ({}, {"ES_RERANK_WINDOW": "many"}, "", "ES_RERANK_WINDOW: Input should be a valid integer"),
        ({}, {"ES_RERANK_WINDWO": "5"}, "", "ES_RERANK_WINDWO: unknown variable"),
        ({}, {}, "queue: 1\n\nwindow: many\n", "es-rerank.yaml:3: window: Input should be a valid integer"),
        ({}, {}, "windwo: 5\n", "es-rerank.yaml:1: windwo: unknown key"),
        ({"window": "many"}, {}, "window: 3\n", "--window: "),
    ],
)
def test_complaints_name_the_place(
    flags: dict[str, Any], environment: dict[str, str], text: str, words: str, file: Path
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(flags, environment, file)
    assert words in str(error.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load({"window": "0", "backend": "none"}, {"ES_RERANK_QUEUE": "-1"}, None)
    assert sorted(line.partition(":")[0] for line in str(error.value).splitlines()) == [
        "--backend",
        "--window",
        "ES_RERANK_QUEUE",
    ]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("deadline", "500ms", 0.5),
        ("deadline", "3s", 3.0),
        ("deadline", " 1.5 m ", 90.0),
        ("deadline", "10m", 600.0),
        ("listen", "0.0.0.0:80", "0.0.0.0:80"),
        ("listen", "[::1]:9280", "[::1]:9280"),
        ("listen", "localhost:0", "localhost:0"),
        ("upstream", "https://engine:9200/", "https://engine:9200"),
        ("upstream", "http://[::1]:9200/base/", "http://[::1]:9200/base"),
        ("policy", "linear(0.25)", "linear(0.25)"),
        ("policy", "rrf(10)", "rrf(10)"),
        ("upstream_verify", "no", False),
    ],
)
def test_values(name: str, value: str, read: object) -> None:
    assert getattr(load({name: value}, {}, None), name) == read


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("deadline", "3", "write it with its unit"),
        ("deadline", 3, "write it with its unit"),
        ("deadline", "0s", "no duration"),
        ("deadline", "11m", "up to 10m"),
        ("deadline", "-1s", "no duration"),
        ("listen", "9280", "not HOST:PORT"),
        ("listen", "::1:9280", "not HOST:PORT"),
        ("listen", "host:99999", "not HOST:PORT"),
        ("upstream", "engine:9200", "not a URL"),
        ("upstream", "ftp://engine", "not a URL"),
        ("upstream", "http://engine/?a=b", "not a URL"),
        ("upstream", "http://engine:99999", "--upstream"),
        ("upstream", "http://me:s3cret@engine", "'http://***@engine' carries credentials"),
        ("upstream", "http://[::1", "--upstream"),
        ("backend", "openai", "none of vllm, "),
        ("profile", "gpt", "none of qwen3-reranker-0.6b, "),
        ("policy", "magic", "none of replace, "),
        ("policy", "linear(1.5)", "between 0 and 1"),
        ("policy", "replace(2)", "takes no number"),
        ("policy", "linear(", "none of"),
        ("long_documents", "drop", "Input should be"),
        ("window", "1001", "less than or equal to 1000"),
        ("log_level", "loud", "Input should be"),
    ],
)
def test_values_that_are_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load({name: value}, {}, None)
    assert words in str(error.value)


def test_a_password_is_in_no_complaint() -> None:
    with pytest.raises(ConfigError) as error:
        load({"upstream": "http://me:s3cret@engine?x", "reranker_api_key": ["s3cret"]}, {}, None)
    assert "s3cret" not in str(error.value)


def test_what_is_in_force_is_shown_without_secrets() -> None:
    shown = in_force(load({"reranker_api_key": "s3cret", "upstream": "http://engine"}, {}, None))
    assert "s3cret" not in str(shown)
    assert list(shown) == list(Settings.model_fields)
    assert (shown["deadline"], shown["upstream"], shown["mappings"]) == ("3s", "http://engine", None)


def test_every_setting_has_its_sentence() -> None:
    assert [name for name, row in Settings.model_fields.items() if not (row.description or "").endswith(".")] == []


@pytest.mark.parametrize(
    ("listen", "expected"), [("127.0.0.1:9280", ("127.0.0.1", 9280)), ("[::1]:80", ("::1", 80)), ("a:0", ("a", 0))]
)
def test_host_and_port(listen: str, expected: tuple[str, int]) -> None:
    assert host_and_port(Settings(listen=listen)) == expected


def test_policy_spec() -> None:
    assert policy_spec("replace") == PolicySpec("replace")
    assert policy_spec("linear(0.7)") == PolicySpec("linear", 0.7)
    with pytest.raises(ValueError, match="linear"):
        policy_spec("linear(")
