"""Validated types of settings and rule keys: durations, addresses, URLs, policies.

Error messages do not contain the invalid value, because they are logged and the value may be a misplaced secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from es_rerank.model import PolicySpec, Protection
from es_rerank.search.scoring import POLICIES

UNIX = "unix:"
SHARED = "shared"
DNS = "dns://"

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)\s*$")
_MAX_SECONDS = 600.0
_MAX_PORT = 65535
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$")
_POLICY = re.compile(r"^(\w+)(?:\((\d{1,9}(?:\.\d+)?)\))?$")
# Policies whose parameter is the weight of the model.
_WEIGHTED = frozenset({"linear", "blend"})
_PROTECTION = Protection()
_HEADER_NAME = re.compile(r"^[\w!#$%&'+.^`|~-]+\*?$", re.ASCII)
_HOST_PATTERN = re.compile(r"^[\w.*-]+$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


def policy_spec(value: str) -> PolicySpec:
    """Parse a policy such as `linear(0.7)` into its name and parameter. Raises ValueError if it is malformed."""
    match = _POLICY.match(value)
    if not match:
        raise ValueError(value)
    return PolicySpec(match[1], float(match[2]) if match[2] else None)


def host_and_port(address: str) -> tuple[str, int]:
    """Split HOST:PORT and remove the brackets of an IPv6 address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def same_place(first: str, second: str) -> bool:
    """Return whether two addresses conflict: the same socket path, or the same port (except 0), even on other hosts."""
    if first.startswith(UNIX):
        return first == second
    port = host_and_port(first)[1]
    return port != 0 and not second.startswith(UNIX) and host_and_port(second)[1] == port


def one_of(names: Mapping[str, object]) -> AfterValidator:
    """Return a validator that accepts only the keys of *names*."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def seconds(value: object) -> float:
    """Convert a duration such as `500ms`, `3s` or `1m` to seconds. Raises ValueError if it is invalid or over 10m."""
    match = _DURATION.match(value) if isinstance(value, str) else None
    duration = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
    if not 0 < duration <= _MAX_SECONDS:
        raise ValueError("must be a duration of at most 10m with a unit, such as 500ms, 3s or 1m")
    return duration


def _address(value: str) -> str:
    """Validate HOST:PORT."""
    match = _ADDRESS.match(value)
    if not match or int(match[2]) > _MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9280")
    return value


def _listen(value: str) -> str:
    """Validate HOST:PORT or unix:/PATH."""
    if not value.startswith(UNIX):
        return _address(value)
    if not value.removeprefix(UNIX).startswith("/"):
        raise ValueError("must be unix:/PATH, such as unix:/run/es-rerank.sock")
    return value


def _admin_listen(value: str) -> str:
    """Validate HOST:PORT, unix:/PATH or `shared`."""
    if value == SHARED:
        return value
    try:
        return _listen(value)
    except ValueError as error:
        raise ValueError(f"{error}, or `{SHARED}`") from error


def _url(value: str) -> str:
    """Validate an http or https URL that has no query, fragment or credentials, and remove trailing slashes."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise ValueError("must be a URL such as http://127.0.0.1:9200")
    if parts.username is not None:
        raise ValueError("must not contain credentials, which have settings of their own")
    # Other modules compare the scheme to decide whether TLS is used, so it is converted to lower case.
    return f"{parts.scheme}://{value.partition('://')[2].rstrip('/')}"


def _server_url(value: str) -> str:
    """Validate the URL of a rerank server, or `dns://` with the DNS name of several."""
    if not value.lower().startswith(DNS):
        return _url(value)
    try:
        return DNS + _url("http://" + value[len(DNS) :]).removeprefix("http://")
    except ValueError as error:
        raise ValueError("must be dns://NAME:PORT, or dns://NAME for SRV records, and may have a path") from error


def _name_server(value: str) -> str:
    """Validate the IP address and port of a DNS server."""
    try:
        ip_address(host_and_port(_address(value))[0])
    except ValueError as error:
        raise ValueError("must be an IP address and a port, such as 127.0.0.1:8600") from error
    return value


def _policy(value: str) -> str:
    """Validate a policy: its name, and a parameter in parentheses if the policy takes one."""
    match = _POLICY.match(value)
    if not match or match[1] not in POLICIES:
        *others, last = (f"{name}({row.parameter:g})" for name, row in POLICIES.items() if row.parameter)
        examples = f"{', '.join(others)} and {last}"
        raise ValueError(f"must be one of {', '.join(POLICIES)}; only {examples} take a parameter")
    spec = policy_spec(value)
    if spec.parameter is not None and not POLICIES[spec.name].parameter:
        raise ValueError(f"{spec.name} takes no parameter")
    if spec.name in _WEIGHTED and not 0 <= (spec.parameter or 0) <= 1:
        raise ValueError(f"the weight of {spec.name} must be between 0 and 1")
    return value


def _fingerprint(value: str) -> str:
    """Validate a SHA-256 fingerprint in hexadecimal, and remove colons."""
    digest = value.replace(":", "").lower()
    if not _SHA256.match(digest):
        raise ValueError("must be the SHA-256 fingerprint of a certificate: 64 hexadecimal digits")
    return digest


def _names(value: object) -> object:
    """Split a string of comma-separated names."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()))
    return value


def _header_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Check header names, which may end with `*`. Raises ValueError, without the value, which may be a secret."""
    if not all(map(_HEADER_NAME.match, values)):
        raise ValueError("must be header names, or starts of header names followed by `*`")
    return values


def _host_patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    """Check host names, in which `*` matches any characters. Raises ValueError, without the value."""
    if not all(map(_HOST_PATTERN.match, values)):
        raise ValueError("must be host names, or patterns such as `*.example`")
    return values


def _not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    """Raise ValueError if the list is empty."""
    if not values:
        raise ValueError("must have at least one value")
    return values


class ProtectKeys(BaseModel):
    """The keys of `protect`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    score_ratio: float = Field(
        _PROTECTION.score_ratio,
        ge=1,
        le=1000,
        description="Lowest ratio of the first hit's engine score to the second's, 1 to 1000.",
    )
    margin: float = Field(
        _PROTECTION.margin,
        ge=0,
        le=1,
        description="The hit is moved nevertheless if another hit's probability is higher by at least this, 0 to 1.",
    )

    def protection(self) -> Protection:
        """Return the thresholds."""
        return Protection(self.score_ratio, self.margin)


def _protect(value: object) -> object:
    """Convert `true` to the default thresholds, and `false` to None."""
    return ({} if value else None) if isinstance(value, bool) else value


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str)]
Address = Annotated[str, AfterValidator(_address)]
Listen = Annotated[str, AfterValidator(_listen)]
AdminListen = Annotated[str, AfterValidator(_admin_listen)]
Url = Annotated[str, AfterValidator(_url)]
NameServer = Annotated[str, AfterValidator(_name_server)]
Policy = Annotated[str, AfterValidator(_policy)]
Protect = Annotated[ProtectKeys | None, BeforeValidator(_protect, json_schema_input_type=bool | ProtectKeys | None)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str])]
HeaderNames = Annotated[
    tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str]), AfterValidator(_header_names)
]
HostPatterns = Annotated[
    tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str]), AfterValidator(_host_patterns)
]
Urls = Annotated[
    tuple[Url, ...], BeforeValidator(_names, json_schema_input_type=str | list[str]), AfterValidator(_not_empty)
]
ServerUrls = Annotated[
    tuple[Annotated[str, AfterValidator(_server_url)], ...],
    BeforeValidator(_names, json_schema_input_type=str | list[str]),
    AfterValidator(_not_empty),
]
LongMode = Literal["profile", "truncate", "max_passage"]
