"""Looks up rerank servers in DNS: the addresses of a name (A, AAAA), or the hosts and ports of a service (SRV)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.rdata
import dns.resolver
from dns.exception import DNSException
from dns.rdatatype import AAAA, SRV, A, RdataType

from es_rerank.config.addresses import host_and_port
from es_rerank.model import Failed, Why

# Time limit of one query, including retries and search domains.
_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The result of a lookup.

    Attributes:
        urls: The base URL of each server.
        seconds: Time in seconds until the first record expires.

    """

    urls: frozenset[str]
    seconds: float


class DnsLookup:
    """Looks up names at the DNS servers of the system, or at one server."""

    def __init__(self, server: str | None = None) -> None:
        """Prepare to query *server*, given as `IP:PORT`, or if it is None, the DNS servers in `/etc/resolv.conf`."""
        self._server = server

    async def __call__(self, url: str) -> Addresses | Failed:
        """Look up the servers of a URL.

        Args:
            url: `dns://NAME:PORT/PATH` for the addresses of NAME, or `dns://NAME/PATH` for the SRV records of NAME.

        Returns:
            The servers and the time until their records expire, or the failure.

        """
        parts = urlsplit(url)
        try:
            resolver = self._resolver()
            if parts.port is None:
                return await _service(resolver, parts.hostname or "", parts.path)
            return await _hosts(resolver, [(parts.hostname or "", parts.port)], parts.path)
        except (DNSException, LookupError, OSError) as error:
            return Failed(Why.UNREACHABLE, f"{url}: {error}")

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Return a resolver with the system's current configuration, including its search domains."""
        resolver = dns.asyncresolver.Resolver(configure=self._server is None)
        resolver.lifetime = _SECONDS
        if self._server is not None:
            host, resolver.port = host_and_port(self._server)
            resolver.nameservers = [host]
        return resolver


async def _service(resolver: dns.asyncresolver.Resolver, name: str, path: str) -> Addresses:
    """Look up SRV records, and then the addresses of their targets. Use only records with the lowest priority value.

    Raises:
        DNSException: If the lookup of the records fails.
        LookupError: If no target has an address.

    """
    answer = await resolver.resolve(name, SRV, search=True)
    first = min(record.priority for record in answer)
    targets = [(record.target.to_text(), record.port) for record in answer if record.priority == first]
    hosts = await _hosts(resolver, targets, path)
    return Addresses(hosts.urls, min(hosts.seconds, _remaining(answer)))


async def _hosts(resolver: dns.asyncresolver.Resolver, hosts: Sequence[tuple[str, int]], path: str) -> Addresses:
    """Look up the IPv4 and IPv6 addresses of hosts, each with a port. Hosts without an address are left out.

    Raises:
        LookupError: If no host has an address.

    """
    asked = [(host, port, kind) for host, port in hosts for kind in (A, AAAA)]
    found = await asyncio.gather(*(_addresses(resolver, host, kind) for host, _, kind in asked))
    answers = [(answer, port) for answer, (_, port, _) in zip(found, asked, strict=True) if answer is not None]
    if not answers:
        raise LookupError(f"no address of {', '.join(host for host, _ in hosts)}")
    urls = frozenset(url for answer, port in answers for url in _urls(answer, port, path))
    return Addresses(urls, min(_remaining(answer) for answer, _ in answers))


async def _addresses(resolver: dns.asyncresolver.Resolver, host: str, kind: RdataType) -> dns.resolver.Answer | None:
    """Look up the IPv4 or the IPv6 addresses of a host. Return None if it has no addresses of this kind."""
    with suppress(dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return await resolver.resolve(host, kind, search=True)
    return None


def _urls(answer: Iterable[dns.rdata.Rdata], port: int, path: str) -> list[str]:
    """Return the base URL of each address."""
    addresses = [record.to_text() for record in answer]
    hosts = [f"[{one}]" if ":" in one else one for one in addresses]
    return [f"http://{host}:{port}{path}" for host in hosts]


def _remaining(answer: dns.resolver.Answer) -> float:
    """Return the seconds until the first record of an answer expires. Aliases (CNAME records) count, too."""
    return max(0.0, answer.expiration - time.time())
