from __future__ import annotations

from typing import Any

import dns.rcode
import pytest

from es_rerank.model import Failed, Why
from es_rerank.rerank_client import dns_lookup
from es_rerank.rerank_client.dns_lookup import Addresses, DnsLookup
from tests.name_server import name_server

SERVICE = ["10 0 8000 one.test.", "10 5 8001 two.test.", "20 0 8000 spare.test."]


@pytest.mark.parametrize(
    ("records", "url", "expected"),
    [
        ({"A": ["10.0.0.1"]}, "dns://vllm.test:8000", {"http://10.0.0.1:8000"}),
        ({"A": ["10.0.0.1", "10.0.0.2"]}, "dns://vllm.test:80", {"http://10.0.0.1:80", "http://10.0.0.2:80"}),
        ({"AAAA": ["fd00::1"]}, "dns://vllm.test:8000", {"http://[fd00::1]:8000"}),
        ({"A": ["10.0.0.1"], "AAAA": ["fd00::1"]}, "dns://vllm.test:8", {"http://10.0.0.1:8", "http://[fd00::1]:8"}),
        ({"A": ["10.0.0.1"]}, "dns://vllm.test:8000/v1", {"http://10.0.0.1:8000/v1"}),
        ({"A": ["10.0.0.1"]}, "dns://VLLM.test:8000", {"http://10.0.0.1:8000"}),
    ],
)
async def test_the_addresses_of_a_name_are_servers(records: Any, url: str, expected: set[str]) -> None:
    async with name_server(**records) as server:
        found = await DnsLookup(server.address)(url)
    assert isinstance(found, Addresses)
    assert found.urls == expected
    assert 0 < found.seconds <= server.ttl


async def test_the_targets_of_the_first_priority_are_servers_each_with_its_own_port() -> None:
    async with name_server(SRV=SERVICE) as server:
        server.records |= {(f"{name}.test", "A"): [f"10.0.0.{at}"] for at, name in enumerate(("one", "two", "spare"))}
        found = await DnsLookup(server.address)("dns://vllm.test/v1")
    assert isinstance(found, Addresses)
    assert found.urls == {"http://10.0.0.0:8000/v1", "http://10.0.0.1:8001/v1"}
    assert ("spare.test", "A") not in server.asked


async def test_the_ttl_of_the_records_is_returned() -> None:
    async with name_server(A=["10.0.0.1"]) as server:
        server.ttl = 30
        found = await DnsLookup(server.address)("dns://vllm.test:8000")
    assert isinstance(found, Addresses)
    assert 28 < found.seconds <= 30


@pytest.mark.parametrize("url", ["dns://other.test:8000", "dns://vllm.test", f"dns://{'a' * 64}.test:8000"])
async def test_a_name_without_records_is_a_failure_that_names_it(url: str) -> None:
    async with name_server(A=["10.0.0.1"]) as server:
        found = await DnsLookup(server.address)(url)
    assert isinstance(found, Failed)
    assert (found.why, url in found.detail) == (Why.UNREACHABLE, True)


async def test_if_one_of_several_lookups_fails_the_whole_lookup_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_lookup, "_SECONDS", 0.3)
    async with name_server(A=["10.0.0.1"]) as server:
        server.rcode = dns.rcode.SERVFAIL
        assert isinstance(await DnsLookup(server.address)("dns://vllm.test:8000"), Failed)
    assert isinstance(await DnsLookup(server.address)("dns://vllm.test:8000"), Failed)


async def test_the_dns_servers_of_the_system_are_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    async with name_server(A=["10.0.0.1"]) as server:
        host, _, port = server.address.partition(":")

        def configure(self: Any, *_: object) -> None:
            self.nameservers, self.port, self.search, self.ndots = [host], int(port), [dns.name.from_text("test")], 2

        monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", configure)
        found = await DnsLookup()("dns://vllm:8000")
    assert isinstance(found, Addresses)
    assert found.urls == {"http://10.0.0.1:8000"}
    assert ("vllm.test", "A") in server.asked
