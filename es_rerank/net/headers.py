"""The headers that are forwarded between a client and the engine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from multidict import CIMultiDict

# Hop-by-hop headers (RFC 9110, section 7.6.1) are not forwarded. `Expect` is answered by the server itself, and the
# client library sets `Host`.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Bytes that are not UTF-8 survive decoding and encoding.
_UNDECODABLE = "surrogateescape"
_FOR, _PROTO, _HOST = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Headers in the case and order in which they were received; the parser's own mapping changes the case."""


def end_to_end_headers(headers: RawHeaders, *without: str) -> CIMultiDict[str]:
    """Copy the headers that are forwarded, in their order, repeated ones included.

    Hop-by-hop headers, those that `Connection` names, and those named in *without* are left out.
    """
    decoded = [(name.decode("utf-8", _UNDECODABLE), value.decode("utf-8", _UNDECODABLE)) for name, value in headers]
    listed = ",".join(value for name, value in decoded if name.lower() == "connection").split(",")
    excluded = HOP_BY_HOP | {name.strip().lower() for name in listed} | {name.lower() for name in without}
    return CIMultiDict((name, value) for name, value in decoded if name.lower() not in excluded)


def _pass(headers: CIMultiDict[str], _client: str, _host: str, _scheme: str) -> None:
    """Leave the headers unchanged."""


def _append(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Append the client's address to the list; set host and scheme unless an earlier proxy has set them."""
    if client:
        earlier = headers.popall(_FOR, [])
        headers[_FOR] = ", ".join([*earlier, client])
    headers.setdefault(_PROTO, scheme)
    headers.setdefault(_HOST, host)


def _replace(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Replace all that the client sent about itself."""
    for name in (_FOR, _PROTO, _HOST, "Forwarded"):
        headers.popall(name, None)
    _append(headers, client, host, scheme)


FORWARDING: Mapping[str, Callable[[CIMultiDict[str], str, str, str], None]] = {
    "pass": _pass,
    "append": _append,
    "replace": _replace,
}
"""Rows of the setting `forwarded`: update request headers, given the client's address, the host and the scheme."""
