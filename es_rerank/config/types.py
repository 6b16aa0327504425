"""The kinds of values that settings and rules have: durations, addresses, policies. Each says what is wrong.

No complaint holds the value itself: it may be a secret on a wrong line, and complaints are logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from es_rerank.model import PolicySpec
from es_rerank.search.scoring import POLICIES

UNIX = "unix:"
SHARED = "shared"

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)\s*$")
_LONGEST = 600.0
_LAST_PORT = 65535
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$")
_POLICY = re.compile(r"^(\w+)(?:\((\d{1,9}(?:\.\d+)?)\))?$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


def policy_spec(value: str) -> PolicySpec:
    """Read `replace` or `linear(0.7)` into a row and its parameter."""
    found = _POLICY.match(value)
    if not found:
        raise ValueError(value)
    return PolicySpec(found[1], float(found[2]) if found[2] else None)


def host_and_port(address: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host loses its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def same_place(one: str, other: str) -> bool:
    """Tell whether two places to listen on are one path, or one port of whatever host; port 0 is any."""
    if one.startswith(UNIX):
        return one == other
    port = host_and_port(one)[1]
    return port != 0 and not other.startswith(UNIX) and host_and_port(other)[1] == port


def one_of(names: Mapping[str, object]) -> AfterValidator:
    """Make a check for the rows of a table."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def seconds(value: object) -> float:
    """Read a duration such as `500ms`, `3s` or `1m`."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    read = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < read <= _LONGEST:
        raise ValueError("no duration up to 10m; write it with its unit, as in 500ms, 3s or 1m")
    return read


def _address(value: str) -> str:
    """Check HOST:PORT."""
    found = _ADDRESS.match(value)
    if not found or int(found[2]) > _LAST_PORT:
        raise ValueError("not HOST:PORT, as in 127.0.0.1:9280")
    return value


def _listen(value: str) -> str:
    """Check HOST:PORT or the path of a socket."""
    if not value.startswith(UNIX):
        return _address(value)
    if not value.removeprefix(UNIX).startswith("/"):
        raise ValueError("not unix:/PATH, as in unix:/run/es-rerank.sock")
    return value


def _admin_listen(value: str) -> str:
    """Check an address to listen on, or that of the clients."""
    if value == SHARED:
        return value
    try:
        return _listen(value)
    except ValueError as error:
        raise ValueError(f"{error}, nor `{SHARED}`") from error


def _url(value: str) -> str:
    """Check an http(s) URL without query."""
    try:
        parts = urlsplit(value)
        right = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.query or parts.fragment:
        raise ValueError("not a URL such as http://127.0.0.1:9200")
    if parts.username is not None:
        raise ValueError("a URL that carries credentials: they have settings of their own")
    return value.rstrip("/")


def _policy(value: str) -> str:
    """Check a policy: a row of the table, with its parameter in parentheses where it takes one."""
    found = _POLICY.match(value)
    if not found or found[1] not in POLICIES:
        raise ValueError(f"must be one of {', '.join(POLICIES)}; linear(0.7) and rrf(60) take a number")
    spec = policy_spec(value)
    if spec.parameter is not None and spec.name not in {"linear", "rrf"}:
        raise ValueError(f"{spec.name} takes no number")
    if spec.name == "linear" and not 0 <= (spec.parameter or 0) <= 1:
        raise ValueError("the weight of linear lies between 0 and 1")
    return value


def _fingerprint(value: str) -> str:
    """Check a SHA-256 digest in hexadecimal, with colons or without."""
    digest = value.replace(":", "").lower()
    if not _SHA256.match(digest):
        raise ValueError("a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits")
    return digest


def _names(value: object) -> object:
    """Take names joined by commas for a list of them."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty list."""
    if not values:
        raise ValueError("at least one is needed")
    return values


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
Address = Annotated[str, AfterValidator(_address)]
Listen = Annotated[str, AfterValidator(_listen)]
AdminListen = Annotated[str, AfterValidator(_admin_listen)]
Url = Annotated[str, AfterValidator(_url)]
Policy = Annotated[str, AfterValidator(_policy)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str])]
Urls = Annotated[
    tuple[Url, ...], BeforeValidator(_names, json_schema_input_type=str | list[str]), AfterValidator(_some)
]
LongMode = Literal["profile", "truncate", "max_passage"]
