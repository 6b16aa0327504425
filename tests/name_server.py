"""A DNS server for tests, on UDP: it answers from a table of records, or with an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """The records by name (without the last dot) and type, such as `("vllm.test", "A")`, and what was asked for.

    `rcode` is the response code of all answers: a name without any record does not exist.
    """

    records: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    ttl: int = 1
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    asked: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: object) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        known = any(one == name for one, _ in self.records)
        answer.set_rcode(self.rcode if known or self.rcode else dns.rcode.NXDOMAIN)
        if found := self.records.get((name, kind)):
            answer.answer = [dns.rrset.from_text(question.name, self.ttl, "IN", kind, *found)]
        self._transport.sendto(answer.to_wire(), address)


@asynccontextmanager
async def name_server(**records: Sequence[str]) -> AsyncIterator[NameServer]:
    """Run a DNS server that knows the records of the name `vllm.test`, given by type."""
    server = NameServer({("vllm.test", kind): found for kind, found in records.items()})
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    server.address = "{}:{}".format(*transport.get_extra_info("sockname"))
    try:
        yield server
    finally:
        transport.close()
