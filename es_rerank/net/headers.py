"""The headers that are forwarded between client and engine. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from multidict import CIMultiDict

# Hop-by-hop headers (RFC 9110, section 7.6.1) are not forwarded. es-rerank answers `Expect` itself, and the HTTP client
# library sets `Host`.
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
# With this error handler, bytes that are not valid UTF-8 are preserved through decoding and encoding.
_UNDECODABLE = "surrogateescape"
_FOR, _PROTO, _HOST = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Headers in the case and order in which they were received; aiohttp's own mapping changes the case."""


def end_to_end_headers(headers: RawHeaders, *without: str) -> CIMultiDict[str]:
    """Return the headers to forward, in their order, including repeated headers.

    Hop-by-hop headers, and headers named in *without*, are removed. Headers that are listed in `Connection` are kept,
    because a caller could otherwise remove the credentials or the identity that a gateway has added.
    """
    decoded = [(name.decode("utf-8", _UNDECODABLE), value.decode("utf-8", _UNDECODABLE)) for name, value in headers]
    excluded = HOP_BY_HOP | {name.lower() for name in without}
    return CIMultiDict((name, value) for name, value in decoded if name.lower() not in excluded)


def _pass(headers: CIMultiDict[str], _client: str, _host: str, _scheme: str) -> None:
    """Leave the headers unchanged."""


def _append(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Append the client's address to `X-Forwarded-For`. Set host and scheme unless an earlier proxy has set them."""
    if client:
        earlier = headers.popall(_FOR, [])
        headers[_FOR] = ", ".join([*earlier, client])
    headers.setdefault(_PROTO, scheme)
    headers.setdefault(_HOST, host)


def _replace(headers: CIMultiDict[str], client: str, host: str, scheme: str) -> None:
    """Replace the client's forwarding headers with headers that describe its connection to es-rerank."""
    for name in (_FOR, _PROTO, _HOST, "Forwarded"):
        headers.popall(name, None)
    _append(headers, client, host, scheme)


FORWARDING: Mapping[str, Callable[[CIMultiDict[str], str, str, str], None]] = {
    "pass": _pass,
    "append": _append,
    "replace": _replace,
}
"""For each value of the setting `forwarded`: a function that updates headers, given client address, host and scheme."""
