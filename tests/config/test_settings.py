from __future__ import annotations

import math

import pytest

from es_rerank.config.loading import load
from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value", "expected"),
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
        ("upstream", "HTTPS://Engine:9200", ("https://Engine:9200",)),
        ("policy", "linear(0.25)", "linear(0.25)"),
        ("policy", "rrf(10)", "rrf(10)"),
        ("policy", "linear(0)", "linear(0)"),
        ("policy", "linear(1)", "linear(1)"),
        ("policy", "blend", "blend"),
        ("policy", "blend(1)", "blend(1)"),
        ("window", "2", 2),
        ("window", "1000", 1000),
        ("listen", "host:65535", "host:65535"),
        ("inference_ids", " a, ,b", ("a", "b")),
        ("upstream_verify", "no", False),
    ],
)
def test_values_are_converted(name: str, value: str, expected: object) -> None:
    assert getattr(load({name: value}, {}, None), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("deadline", "3", "with a unit"),
        ("deadline", 3, "with a unit"),
        ("deadline", 0.5, "with a unit"),
        ("deadline", 0.0, "must be a duration"),
        ("deadline", -3.5, "must be a duration"),
        ("deadline", 1e300, "must be a duration"),
        ("connect_timeout", math.inf, "must be a duration"),
        ("drain_delay", math.nan, "must be a duration"),
        ("deadline", "0s", "must be a duration"),
        ("deadline", "10.01m", "at most 10m"),
        ("deadline", "11m", "at most 10m"),
        ("deadline", "-1s", "must be a duration"),
        ("listen", "9280", "must be HOST:PORT"),
        ("listen", "::1:9280", "must be HOST:PORT"),
        ("listen", "host:99999", "must be HOST:PORT"),
        ("listen", "unix:run.sock", "must be unix:/PATH"),
        ("admin_listen", "off", "--admin-listen: must be HOST:PORT, such as 127.0.0.1:9280, or `shared`"),
        ("admin_listen", "unix:run.sock", "must be unix:/PATH"),
        ("publish_address", "unix:/a", "must be HOST:PORT"),
        ("upstream", "", "at least one value"),
        ("upstream", "http://a,b", "must be a URL"),
        ("upstream_fingerprint", "ab", "64 hexadecimal digits"),
        ("workers", "0", "must be at least 1"),
        ("emulate", "solr", "one of engine, "),
        ("upstream", "engine:9200", "must be a URL"),
        ("upstream", "http:engine", "must be a URL"),
        ("upstream", "ftp://engine", "must be a URL"),
        ("upstream", "http://engine/?a=b", "must be a URL"),
        ("upstream", "http://engine:99999", "--upstream"),
        ("upstream", "http://me:s3cret@engine", "must not contain credentials"),
        ("upstream", "http://[::1", "--upstream"),
        ("reranker", "dns://", "must be dns://NAME:PORT"),
        ("reranker", "dns://vllm:99999", "must be dns://NAME:PORT"),
        ("reranker", "dns://me:s3cret@vllm:8000", "must be dns://NAME:PORT"),
        ("upstream", "dns://engine:9200", "must be a URL"),
        ("upstream", "unix:/run/engine.sock", "must be a URL"),
        ("reranker", "unix:vllm.sock", "must be unix:/PATH"),
        ("dns_server", "dns.test:53", "must be an IP address and a port"),
        ("dns_server", "127.0.0.1", "must be an IP address and a port"),
        ("shared_cache", "memcached://a", "must be a URL such as redis://127.0.0.1:6379/0"),
        ("shared_cache", "redis:a", "must be a URL such as redis://127.0.0.1:6379/0"),
        ("shared_cache", "redis://me:s3cret@a", "must not contain credentials"),
        ("shared_cache_ttl", "366d", "at most 365d"),
        ("shared_cache_ttl", "0h", "at most 365d"),
        ("shared_cache_ttl", "7", "with a unit, such as 30m, 12h or 7d"),
        ("shared_cache_ttl", 7, "with a unit, such as 30m, 12h or 7d"),
        ("backend", "openai", "one of vllm, "),
        ("profile", "gpt", "one of qwen3-reranker-0.6b, "),
        ("policy", "magic", "one of replace, "),
        ("policy", "linear(1.5)", "between 0 and 1"),
        ("policy", "blend(1.5)", "the weight of blend must be between 0 and 1"),
        ("policy", "replace(2)", "takes no parameter"),
        ("policy", "linear(", "one of"),
        ("long_documents", "drop", "must be"),
        ("window", "1", "must be at least 2"),
        ("listen", "host:65536", "must be HOST:PORT"),
        ("upstream", "http://engine:0", "must be a URL"),
        ("policy", "linear(1.01)", "between 0 and 1"),
        ("window", "1001", "must be at most 1000"),
        ("max_search_tokens", math.inf, "finite number"),
        ("policy", f"rrf({10**400})", "only linear(0.7), blend(0.7) and rrf(60) take a parameter"),
        ("log_level", "loud", "must be"),
    ],
)
def test_invalid_values_are_rejected(name: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load({name: value}, {}, None)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("dns://vllm:8000", ("dns://vllm:8000",)),
        ("DNS://vllm:8000/v1/", ("dns://vllm:8000/v1",)),
        ("dns://_http._tcp.vllm", ("dns://_http._tcp.vllm",)),
        ("unix:/run/vllm.sock,http://a:1", ("unix:/run/vllm.sock", "http://a:1")),
        ("http://a:1,dns://vllm:8000", ("http://a:1", "dns://vllm:8000")),
    ],
)
def test_rerank_servers_can_be_found_by_dns(value: str, expected: tuple[str, ...]) -> None:
    assert load({"reranker": value}, {}, None).reranker == expected


@pytest.mark.parametrize("value", ["redis://a:6379/2", "rediss://a", "redis+cluster://[::1]:6379"])
def test_a_shared_cache_is_a_redis_url(value: str) -> None:
    assert load({"shared_cache": value.replace("redis", "Redis") + "/"}, {}, None).shared_cache == value


@pytest.mark.parametrize(("value", "expected"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("365d", 31_536_000)])
def test_lifetimes_have_units(value: str, expected: float) -> None:
    assert load({"shared_cache": "redis://a", "shared_cache_ttl": value}, {}, None).shared_cache_ttl == expected


def test_the_options_of_a_shared_cache_require_it() -> None:
    with pytest.raises(ConfigError, match="--shared-cache-ttl: requires shared_cache"):
        load({"shared_cache_ttl": "1h"}, {}, None)


@pytest.mark.parametrize("value", ["127.0.0.1:8600", "[::1]:53"])
def test_a_dns_server_is_an_ip_address_and_a_port(value: str) -> None:
    assert load({"dns_server": value}, {}, None).dns_server == value


def test_every_setting_has_a_description_that_ends_with_a_full_stop() -> None:
    assert [name for name, row in Settings.model_fields.items() if not (row.description or "").endswith(".")] == []
