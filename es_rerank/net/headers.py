"""Which headers pass between a client and the engine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from multidict import CIMultiDict

# RFC 9110, 7.6.1: these are between two neighbours and end here. `Expect` is answered by our own server.
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
_BYTES = "surrogateescape"
_FOR, _PROTO, _HOST = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"

Raw = Iterable[tuple[bytes, bytes]]
"""The headers of a message as they were written: the parser's own names are in a case of its choice."""


def end_to_end_headers(headers: Raw, *without: str) -> CIMultiDict[str]:
    """Copy the headers that pass, in their order and repeated ones too; *without* names more that end here."""
    read = [(name.decode("utf-8", _BYTES), value.decode("utf-8", _BYTES)) for name, value in headers]
    tokens = ",".join(value for name, value in read if name.lower() == "connection").split(",")
    ended = HOP_BY_HOP | {token.strip().lower() for token in tokens} | {name.lower() for name in without}
    return CIMultiDict((name, value) for name, value in read if name.lower() not in ended)


def _pass(headers: CIMultiDict[str], _client: str, _host: str, _scheme: str) -> None:
    """Leave them as they came."""


def _append(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Add the client to the list, and what it connected to unless a proxy before us has said so."""
    if client:
        before = headers.popall(_FOR, [])
        headers[_FOR] = ", ".join([*before, client])
    headers.setdefault(_PROTO, scheme)
    headers.setdefault(_HOST, host)


def _replace(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Trust nothing that a client says of itself."""
    for name in (_FOR, _PROTO, _HOST, "Forwarded"):
        headers.popall(name, None)
    _append(headers, client, host, scheme)


FORWARDING: Mapping[str, Callable[[CIMultiDict[str], str, str, str], None]] = {
    "pass": _pass,
    "append": _append,
    "replace": _replace,
}
"""Rows of the setting `forwarded`: change a request's headers, given the client's address, host and scheme."""
