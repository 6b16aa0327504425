"""Validated types of settings: addresses and URLs.

Error messages do not contain the invalid value, because they are logged and the value may be a misplaced secret.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from es_rerank.config.types import comma_separated, not_empty

UNIX = "unix:"
SHARED = "shared"
DNS = "dns://"

_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$")
_MAX_PORT = 65535
# The URL schemes of Redis and Valkey: without and with TLS, one server and a cluster.
_STORES = ("redis", "rediss", "redis+cluster", "rediss+cluster")


def host_and_port(address: str) -> tuple[str, int]:
    """Return the host and the port in HOST:PORT. The brackets of an IPv6 address are removed."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def same_place(first: str, second: str) -> bool:
    """Return whether two addresses conflict. Equal ports (except 0) conflict even if the hosts differ."""
    if first.startswith(UNIX):
        return first == second
    port = host_and_port(first)[1]
    return port != 0 and not second.startswith(UNIX) and host_and_port(second)[1] == port


def _address(value: str) -> str:
    """Validate and return HOST:PORT."""
    match = _ADDRESS.match(value)
    if not match or int(match[2]) > _MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9280")
    return value


def _listen(value: str) -> str:
    """Validate and return HOST:PORT or unix:/PATH."""
    return _socket(value) if value.startswith(UNIX) else _address(value)


def _socket(value: str) -> str:
    """Validate and return unix:/PATH."""
    if not value.removeprefix(UNIX).startswith("/"):
        raise ValueError("must be unix:/PATH, such as unix:/run/es-rerank.sock")
    return value


def _admin_listen(value: str) -> str:
    """Validate and return HOST:PORT, unix:/PATH or `shared`."""
    if value == SHARED:
        return value
    try:
        return _listen(value)
    except ValueError as error:
        raise ValueError(f"{error}, or `{SHARED}`") from error


def _url(value: str) -> str:
    """Validate an http or https URL without query, fragment and credentials. Return it without trailing slashes."""
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
    """Validate and return the URL of a rerank server, the path of its Unix socket, or `dns://` with a DNS name."""
    if value.startswith(UNIX):
        return _socket(value)
    if not value.lower().startswith(DNS):
        return _url(value)
    try:
        return DNS + _url("http://" + value[len(DNS) :]).removeprefix("http://")
    except ValueError as error:
        raise ValueError("must be dns://NAME:PORT, or dns://NAME for SRV records, and may have a path") from error


def _name_server(value: str) -> str:
    """Validate and return the IP address and port of a DNS server."""
    try:
        ip_address(host_and_port(_address(value))[0])
    except ValueError as error:
        raise ValueError("must be an IP address and a port, such as 127.0.0.1:8600") from error
    return value


def _store_url(value: str) -> str:
    """Validate and return the URL of Redis or Valkey, which must not contain credentials."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.lower() not in _STORES:
        raise ValueError(f"must be a URL such as redis://127.0.0.1:6379/0; it can start with {', '.join(_STORES)}")
    return f"{scheme.lower()}://" + _url("http://" + rest).removeprefix("http://")


Address = Annotated[str, AfterValidator(_address)]
Listen = Annotated[str, AfterValidator(_listen)]
AdminListen = Annotated[str, AfterValidator(_admin_listen)]
Url = Annotated[str, AfterValidator(_url)]
NameServer = Annotated[str, AfterValidator(_name_server)]
Urls = Annotated[
    tuple[Url, ...], BeforeValidator(comma_separated, json_schema_input_type=str | list[str]), AfterValidator(not_empty)
]
ServerUrls = Annotated[
    tuple[Annotated[str, AfterValidator(_server_url)], ...],
    BeforeValidator(comma_separated, json_schema_input_type=str | list[str]),
    AfterValidator(not_empty),
]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
