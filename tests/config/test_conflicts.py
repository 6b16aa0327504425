from __future__ import annotations

from typing import Any

import pytest

from es_rerank.config.loading import load
from es_rerank.errors import ConfigError

SAME = "must differ from listen in port or path; use `shared` for one address"

NEEDS_VLLM = (
    "whose prompt needs vLLM; choose from bge-reranker, gte-multilingual-reranker, gte-modernbert, jina-reranker-v2, "
    "e5, minilm"
)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"listen_certificate": "a.pem"}, "--listen-certificate: requires listen_key"),
        ({"listen_client_ca": "a.pem"}, "--listen-client-ca: requires listen_certificate"),
        (
            {"admin_listen": "shared", "upstream_certificate": "a.pem", "upstream_key": "b.pem"},
            "--admin-listen: `shared` cannot be combined with upstream_certificate",
        ),
        ({"listen": "0.0.0.0:9281"}, f"admin_listen: {SAME}"),
        ({"listen": "127.0.0.1:7", "admin_listen": "[::]:7"}, f"--admin-listen: {SAME}"),
        ({"listen": "unix:/a", "admin_listen": "unix:/a"}, f"--admin-listen: {SAME}"),
        (
            {"listen": "unix:/run/es-rerank.sock"},
            "--listen: a Unix socket requires admin_listen, whose default lets every local user reach the engine",
        ),
        ({"listen_key": "a.pem"}, "--listen-key: requires listen_certificate"),
        ({"upstream_certificate": "a.pem"}, "--upstream-certificate: requires upstream_key"),
        ({"upstream_password": "s3cret"}, "--upstream-password: requires upstream_username"),
        (
            {"upstream_username": "me", "upstream_password": "s3cret", "upstream_api_key": "s3cret"},
            "--upstream-username: cannot be combined with upstream_api_key",
        ),
        (
            {"aws_region": "x", "upstream_username": "me", "upstream_password": "s3cret"},
            "--aws-region: cannot be combined with upstream_username",
        ),
        ({"upstream_key": "a.pem"}, "--upstream-key: requires upstream_certificate"),
        ({"upstream_username": "me"}, "--upstream-username: requires upstream_password"),
        ({"publish_address": "a:1"}, "--publish-address: requires sniff"),
        (
            {"backend": "tei"},
            f"profile: the backend tei cannot serve qwen3-reranker-0.6b, {NEEDS_VLLM}",
        ),
        (
            {"backend": "infinity", "profile": "jina-reranker-v3"},
            f"--profile: the backend infinity cannot serve jina-reranker-v3, {NEEDS_VLLM}",
        ),
        ({"aws_region": "x", "upstream_api_key": "s3cret"}, "--aws-region: cannot be combined with upstream_api_key"),
        ({"aws_region": "x", "upstream": "http://a,http://b"}, "--aws-region: requires a single URL in upstream"),
        (
            {"proxy_protocol": True, "listen_certificate": "a.pem", "listen_key": "b.pem"},
            "--proxy-protocol: cannot be combined with listen_certificate",
        ),
    ],
)
def test_settings_that_cannot_be_combined_are_rejected(given: dict[str, Any], words: str) -> None:
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
def test_two_addresses_that_can_be_combined(given: dict[str, Any]) -> None:
    settings = load(given, {}, None)
    assert (settings.listen, settings.admin_listen) == (
        given.get("listen", "127.0.0.1:9280"),
        given.get("admin_listen", "127.0.0.1:9281"),
    )
