"""Checks whether a request identifies its caller, and whether it is from a web page of another site. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address
from urllib.parse import unquote_plus, urlsplit

from es_rerank.net.anonymous_headers import ANONYMOUS_HEADERS, ANONYMOUS_PREFIXES, split

# Names of URL parameters, and of headers, that carry credentials or an identity.
_CREDENTIALS = r"auth|cookie|token|jwt|credential|passw|secret|session|identity|api-?_?key|run-?_?as|signature|x-amz-"
_PARAMETERS = re.compile(_CREDENTIALS + "|^user(name)?$")
_HEADERS = re.compile(
    _CREDENTIALS + "|user|role|principal|tenant|cert|impersonat|group|e-?mail|login|account|subject|security|consumer"
)
_OWN_SITES = frozenset({"same-origin", "none"})


def may_identify(name: str, anonymous: Collection[str] = ()) -> bool:
    """Return whether a header may identify the caller to the engine.

    Args:
        name: The name of the header.
        anonymous: Further headers that do not identify callers, in lower case. `x-trace-*` matches all names that start
            with `x-trace-`.

    """
    name = name.lower()
    if name in ANONYMOUS_HEADERS or name.startswith(ANONYMOUS_PREFIXES):
        return False
    exact, starts = split(anonymous) if anonymous else (frozenset(), ())
    return name not in exact and not name.startswith(starts)


def names_credentials(name: str) -> bool:
    """Return whether a header is known to carry credentials or an identity. Unknown headers may carry them, too."""
    return name.lower() not in ANONYMOUS_HEADERS and bool(_HEADERS.search(name.lower()))


def shows_identity(headers: Iterable[str], target: str, anonymous: Collection[str] = ()) -> bool:
    """Return whether a request shows an identity: in a header, in a URL parameter, or in an absolute URL.

    Args:
        headers: The names of the request's headers.
        target: The raw request target.
        anonymous: Names of further headers that do not identify callers, in lower case.

    """
    place, _, query = target.partition("?")
    names = (unquote_plus(pair.partition("=")[0]).lower() for pair in re.split("[&;]", query))
    return (
        any(may_identify(name, anonymous) for name in headers)
        or (bool(query) and any(_PARAMETERS.search(name) for name in names))
        or (not place.startswith("/") and "@" in place)
    )


def is_foreign_host(host: str, own: Iterable[str]) -> bool:
    """Return whether the name in a `Host` header may be a name of an attacker (DNS rebinding).

    Any name with a dot may be a name of an attacker, unless it matches a pattern in *own*.
    """
    name = _host_name(host)
    if name is None:
        return True
    return "." in name and not _is_address(name) and not any(fnmatchcase(name, pattern.lower()) for pattern in own)


def is_foreign_site(headers: Mapping[str, str], trusted: Iterable[str]) -> bool:
    """Return whether a browser sent the request for a web page of another site (cross-site request forgery).

    See Fetch Metadata (`Sec-Fetch-Site`) and RFC 6454 (`Origin`). Requests without these headers are not from a current
    browser.

    Args:
        headers: The headers of the request, in a mapping that ignores case.
        trusted: Patterns of the hosts whose pages may send requests, besides the host of the request itself.

    """
    page = headers.get("Origin") or headers.get("Referer")
    if page is not None and any(fnmatchcase(_host_name(_authority(page)) or "", one.lower()) for one in trusted):
        return False
    if headers.get("Sec-Fetch-Site", "none").strip().lower() not in _OWN_SITES:
        return True
    return page is not None and _authority(page).lower() != headers.get("Host", "").strip().lower()


def _authority(url: str) -> str:
    """Return host and port of a URL; empty for the opaque origin `null`."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _host_name(host: str) -> str | None:
    """Return the host name in HOST:PORT, in lower case and without a dot at its end; None if it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    """Return whether a host name is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
