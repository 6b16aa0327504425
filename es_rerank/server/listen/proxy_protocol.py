"""The PROXY protocol, with which a load balancer says whose connection it hands on. Pure.

Format: "The PROXY protocol", versions 1 and 2, HAProxy Technologies, sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
# The longest line of version 1, its end included; the head of version 2, whose last two bytes are the length behind.
_LONGEST_V1 = 107
_HEAD_V2 = 16
_LOCAL, _PROXY = 0x20, 0x21
# Address family and transport, and how many bytes of source address stand first.
_SOURCES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
_V1_FIELDS = 6


class ProxyProtocolError(ValueError):
    """The connection does not start with the PROXY protocol."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Whose connection it is (None: the balancer's own, or it does not know), and where HTTP starts in the bytes."""

    client: str | None
    size: int


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the preface from the first bytes of a connection; None if more must come. Raises NoPrefaceError."""
    if data.startswith(_V2[: len(data)]):
        return _second(data)
    if data.startswith(_V1[: len(data)]):
        return _first(data)
    raise ProxyProtocolError("the connection does not start with the PROXY protocol")


def _first(data: bytes) -> ProxyHeader | None:
    """Read `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` or `PROXY UNKNOWN ...`, ended by CRLF."""
    line, end, _ = data[:_LONGEST_V1].partition(b"\r\n")
    if not end:
        if len(data) >= _LONGEST_V1:
            raise ProxyProtocolError("the line of the PROXY protocol does not end")
        return None
    size = len(line) + len(end)
    fields = line.decode("ascii", "replace").split(" ")
    if fields[1] == "UNKNOWN":
        return ProxyHeader(None, size)
    if fields[1] not in {"TCP4", "TCP6"} or len(fields) != _V1_FIELDS:
        raise ProxyProtocolError("the line of the PROXY protocol is malformed")
    try:
        return ProxyHeader(str(ipaddress.ip_address(fields[2])), size)
    except ValueError as error:
        raise ProxyProtocolError(f"the line of the PROXY protocol is malformed: {error}") from error


def _second(data: bytes) -> ProxyHeader | None:
    """Read the binary head: signature, version and command, family, length, addresses."""
    if len(data) < _HEAD_V2:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(_V2))
    size = _HEAD_V2 + length
    if command not in {_LOCAL, _PROXY}:
        raise ProxyProtocolError("the head of the PROXY protocol has an unknown version or command")
    if len(data) < size:
        return None
    source = _SOURCES.get(family, 0)
    if command == _LOCAL or not source or length < source:
        return ProxyHeader(None, size)
    return ProxyHeader(str(ipaddress.ip_address(data[_HEAD_V2 : _HEAD_V2 + source])), size)
