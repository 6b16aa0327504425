from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from es_rerank.config.settings import Settings, in_force, load
from es_rerank.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "es-rerank.yaml"


def test_without_anything_the_defaults_hold() -> None:
    settings = load({"window": None}, {"PATH": "x", "ES_RERANK_CONFIG": "y"}, None)
    assert settings == Settings()
    assert (settings.window, settings.deadline, settings.backend) == (50, 3.0, "vllm")


def test_flags_stand_above_variables_above_the_file(file: Path) -> None:
    file.write_text("window: 10\ndeadline: 1m\nreranker_queue_size: 5\npolicy: keep\n")
    settings = load({"window": "30"}, {"ES_RERANK_WINDOW": "20", "ES_RERANK_DEADLINE": "500ms"}, file)
    assert (settings.window, settings.deadline, settings.reranker_queue_size, settings.policy) == (30, 0.5, 5, "keep")


@pytest.mark.parametrize(
    ("flags", "environment", "text", "words"),
    [
        ({"window": "0"}, {}, "", "--window: Input should be greater than or equal to 2"),
        ({"max_search_tokens": "x"}, {}, "", "--max-search-tokens: Input should be a valid integer"),
        ({}, {"ES_RERANK_WINDOW": "many"}, "", "ES_RERANK_WINDOW: Input should be a valid integer"),
        ({}, {"ES_RERANK_WINDWO": "5"}, "", "ES_RERANK_WINDWO: unknown variable"),
        (
            {},
            {},
            "reranker_queue_size: 1\n\nwindow: many\n",
            "es-rerank.yaml:3: window: Input should be a valid integer",
        ),
        ({}, {}, "reranker_queue_size: 1\ndeadline: .inf\n", "es-rerank.yaml:2: deadline: no duration"),
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
        load({"window": "0", "backend": "none"}, {"ES_RERANK_RERANKER_QUEUE_SIZE": "-1"}, None)
    assert sorted(line.partition(":")[0] for line in str(error.value).splitlines()) == [
        "--backend",
        "--window",
        "ES_RERANK_RERANKER_QUEUE_SIZE",
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
        ("listen", "0.0.0.0:0", "0.0.0.0:0"),
        ("admin_listen", "[::1]:9281", "[::1]:9281"),
        ("admin_listen", "unix:/run/pages.sock", "unix:/run/pages.sock"),
        ("admin_listen", "shared", "shared"),
        ("upstream_fingerprint", "AB:" * 31 + "cd", "ab" * 31 + "cd"),
        ("connect_timeout", "250ms", 0.25),
        ("upstream", "https://engine:9200/", ("https://engine:9200",)),
        ("upstream", "http://[::1]:9200/base/, http://b", ("http://[::1]:9200/base", "http://b")),
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
        ("deadline", 0.5, "write it with its unit"),
        ("deadline", 0.0, "no duration"),
        ("deadline", -3.5, "no duration"),
        ("deadline", 1e300, "no duration"),
        ("connect_timeout", math.inf, "no duration"),
        ("drain_delay", math.nan, "no duration"),
        ("deadline", "0s", "no duration"),
        ("deadline", "11m", "up to 10m"),
        ("deadline", "-1s", "no duration"),
        ("listen", "9280", "not HOST:PORT"),
        ("listen", "::1:9280", "not HOST:PORT"),
        ("listen", "host:99999", "not HOST:PORT"),
        ("listen", "unix:run.sock", "not unix:/PATH"),
        ("admin_listen", "off", "--admin-listen: not HOST:PORT, as in 127.0.0.1:9280, nor `shared`"),
        ("admin_listen", "unix:run.sock", "not unix:/PATH"),
        ("publish_address", "unix:/a", "not HOST:PORT"),
        ("upstream", "", "at least one"),
        ("upstream", "http://a,b", "not a URL"),
        ("upstream_fingerprint", "ab", "64 hexadecimal digits"),
        ("workers", "0", "greater than or equal to 1"),
        ("emulate", "solr", "one of engine, "),
        ("upstream", "engine:9200", "not a URL"),
        ("upstream", "ftp://engine", "not a URL"),
        ("upstream", "http://engine/?a=b", "not a URL"),
        ("upstream", "http://engine:99999", "--upstream"),
        ("upstream", "http://me:s3cret@engine", "a URL that carries credentials"),
        ("upstream", "http://[::1", "--upstream"),
        ("backend", "openai", "one of vllm, "),
        ("profile", "gpt", "one of qwen3-reranker-0.6b, "),
        ("policy", "magic", "one of replace, "),
        ("policy", "linear(1.5)", "between 0 and 1"),
        ("policy", "replace(2)", "takes no number"),
        ("policy", "linear(", "one of"),
        ("long_documents", "drop", "Input should be"),
        ("window", "1001", "less than or equal to 1000"),
        ("max_search_tokens", math.inf, "finite number"),
        ("policy", f"rrf({10**400})", "rrf(60) take a number"),
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
    secret = dict.fromkeys(("reranker_api_key", "upstream_password"), "s3cret")
    shown = in_force(load({**secret, "upstream_username": "me", "upstream": "http://engine"}, {}, None))
    assert "s3cret" not in str(shown)
    assert list(shown) == list(Settings.model_fields)
    assert (shown["deadline"], shown["upstream"], shown["mappings"]) == ("3s", ["http://engine"], None)


def test_every_setting_has_its_sentence() -> None:
    assert [name for name, row in Settings.model_fields.items() if not (row.description or "").endswith(".")] == []


SAME = "needs another port or path than listen; `shared` is for one"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"listen_certificate": "a.pem"}, "--listen-certificate: needs listen_key beside it"),
        ({"listen_client_ca": "a.pem"}, "--listen-client-ca: needs listen_certificate beside it"),
        (
            {"admin_listen": "shared", "upstream_certificate": "a.pem", "upstream_key": "b.pem"},
            "--admin-listen: `shared` cannot stand beside upstream_certificate",
        ),
        ({"listen": "0.0.0.0:9281"}, f"admin_listen: {SAME}"),
        ({"listen": "127.0.0.1:7", "admin_listen": "[::]:7"}, f"--admin-listen: {SAME}"),
        ({"listen": "unix:/a", "admin_listen": "unix:/a"}, f"--admin-listen: {SAME}"),
        (
            {"listen": "unix:/run/es-rerank.sock"},
            "--listen: a socket needs admin_listen beside it, or each user of this machine reaches the engine",
        ),
        ({"upstream_key": "a.pem"}, "--upstream-key: needs upstream_certificate beside it"),
        ({"upstream_username": "me"}, "--upstream-username: needs upstream_password beside it"),
        ({"publish_address": "a:1"}, "--publish-address: needs sniff beside it"),
        ({"aws_region": "x", "upstream_api_key": "s3cret"}, "--aws-region: cannot stand beside upstream_api_key"),
        ({"aws_region": "x", "upstream": "http://a,http://b"}, "--aws-region: takes one upstream"),
        (
            {"proxy_protocol": True, "listen_certificate": "a.pem", "listen_key": "b.pem"},
            "--proxy-protocol: cannot stand beside listen_certificate",
        ),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(given, {}, None)
    assert str(error.value) == words


@pytest.mark.parametrize(
    "given",
    [
        {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"},
        {"listen": "unix:/a", "admin_listen": "unix:/b"},
        {"listen": "unix:/a", "admin_listen": "127.0.0.1:9281"},
        {"listen": "unix:/a", "admin_listen": "shared"},
        {"admin_listen": "unix:/a"},
        {"admin_listen": "shared"},
        {"upstream_certificate": "a.pem", "upstream_key": "b.pem"},
    ],
)
def test_two_places_that_go_together(given: dict[str, Any]) -> None:
    settings = load(given, {}, None)
    assert (settings.listen, settings.admin_listen) == (
        given.get("listen", "127.0.0.1:9280"),
        given.get("admin_listen", "127.0.0.1:9281"),
    )
