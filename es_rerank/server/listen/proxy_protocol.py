"""The PROXY protocol, with which a load balancer sends the client's address. No I/O.

Format: "The PROXY protocol", versions 1 and 2, HAProxy Technologies, sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

_V1 = b"PROXY "
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
# Maximum length of the version 1 line, including CRLF, and length of the fixed part of the version 2 header.
_MAX_V1_BYTES = 107
_FIXED_V2_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
# Length of the source address, by address family and transport protocol.
_SOURCE_BYTES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}
_V1_FIELDS = 6


class ProxyProtocolError(ValueError):
    """The connection does not start with a valid PROXY protocol header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """The client's address (None if the load balancer does not send it), and the size of the header in bytes."""

    client: str | None
    size: int


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Parse the header at the start of a connection.

    Returns:
        The header; None if it is incomplete.

    Raises:
        ProxyProtocolError: The bytes are not a valid PROXY protocol header.

    """
    if data.startswith(_V2[: len(data)]):
        return _version_2(data)
    if data.startswith(_V1[: len(data)]):
        return _version_1(data)
    raise ProxyProtocolError("the connection does not start with the PROXY protocol")


def _version_1(data: bytes) -> ProxyHeader | None:
    """Parse `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443` or `PROXY UNKNOWN ...`, terminated by CRLF."""
    line, end, _ = data[:_MAX_V1_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= _MAX_V1_BYTES:
            raise ProxyProtocolError("the PROXY protocol line is too long")
        return None
    size = len(line) + len(end)
    fields = line.decode("ascii", "replace").split(" ")
    if fields[1] == "UNKNOWN":
        return ProxyHeader(None, size)
    if fields[1] not in {"TCP4", "TCP6"} or len(fields) != _V1_FIELDS:
        raise ProxyProtocolError("the PROXY protocol line is malformed")
    try:
        return ProxyHeader(str(ipaddress.ip_address(fields[2])), size)
    except ValueError as error:
        raise ProxyProtocolError(f"the PROXY protocol line is malformed: {error}") from error


def _version_2(data: bytes) -> ProxyHeader | None:
    """Parse the binary header: signature, version and command, family, length, addresses."""
    if len(data) < _FIXED_V2_BYTES:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(_V2))
    size = _FIXED_V2_BYTES + length
    if command not in {_LOCAL, _PROXY}:
        raise ProxyProtocolError("the PROXY protocol header has an unknown version or command")
    if len(data) < size:
        return None
    source = _SOURCE_BYTES.get(family, 0)
    if command == _LOCAL or not source or length < source:
        return ProxyHeader(None, size)
    return ProxyHeader(str(ipaddress.ip_address(data[_FIXED_V2_BYTES : _FIXED_V2_BYTES + source])), size)
