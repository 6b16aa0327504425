from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.server.listen.proxy_protocol import ProxyHeader, ProxyProtocolError, read_proxy_header

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def version_2(command: int, family: int, addresses: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses)) + addresses


FOUR = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") + struct.pack("!HH", 56324, 443)
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 56324, 443)
WHOLE = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),  # the longest line, 107 bytes
    (b"PROXY UNKNOWN ffff:f:f:f ffff 1 2\r\n", None),
    (version_2(0x21, 0x11, FOUR), "192.0.2.1"),
    (version_2(0x21, 0x21, SIX), "2001:db8::1"),
    (version_2(0x21, 0x11, FOUR + b"\x04\x00\x01\x00"), "192.0.2.1"),  # with an extension after the addresses
    (version_2(0x20, 0x00, b""), None),
    (version_2(0x21, 0x31, b"/a" * 108), None),
]


@pytest.mark.parametrize(("data", "client"), WHOLE)
def test_a_header_has_the_address_of_the_client_and_its_size(data: bytes, client: str | None) -> None:
    assert read_proxy_header(data + b"GET / HTTP/1.1\r\n") == ProxyHeader(client, len(data))
    assert [read_proxy_header(data[:size]) for size in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP4 here there 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 " + b"1" * 120,
        b"PROXY TCP4 " + b"1" * 96,
        version_2(0x31, 0x11, FOUR),
        version_2(0x2F, 0x11, FOUR),
        b"\x16\x03\x01",
    ],
)
def test_other_bytes_are_rejected(data: bytes) -> None:
    with pytest.raises(ProxyProtocolError):
        read_proxy_header(data)


@given(st.binary(), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11\x00"]))
def test_any_bytes_are_read_or_rejected(data: bytes, before: bytes) -> None:
    try:
        found = read_proxy_header(before + data)
    except ProxyProtocolError:
        return
    assert found is None or found.size <= len(before + data)
