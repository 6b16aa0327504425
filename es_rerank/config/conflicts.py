"""Settings that require or exclude each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from es_rerank.config.types import SHARED, UNIX, same_place

# The first requires the second.
_REQUIRES = (
    ("listen_certificate", "listen_key"),
    ("listen_key", "listen_certificate"),
    ("listen_client_ca", "listen_certificate"),
    ("upstream_certificate", "upstream_key"),
    ("upstream_key", "upstream_certificate"),
    ("upstream_username", "upstream_password"),
    ("upstream_password", "upstream_username"),
    ("publish_address", "sniff"),
)
# The first excludes the second.
_EXCLUDES = (
    ("upstream_username", "upstream_api_key"),
    ("aws_region", "upstream_api_key"),
    ("aws_region", "upstream_username"),
    # The header of the PROXY protocol precedes the TLS handshake, where the TLS server cannot read it.
    ("proxy_protocol", "listen_certificate"),
)


def conflicts(values: Mapping[str, Any], changed: Collection[str], named: Collection[str]) -> list[tuple[str, str]]:
    """Find the settings that cannot be used together.

    Args:
        values: All settings.
        changed: The settings whose values are not the defaults.
        named: The settings that the operator has set, to whatever value.

    Returns:
        The name of a setting and the error text, for each conflict.

    """
    missing = [(one, f"requires {other}") for one, other in _REQUIRES if one in changed and other not in changed]
    both = [
        (one, f"cannot be combined with {other}") for one, other in _EXCLUDES if one in changed and other in changed
    ]
    several = values["aws_region"] and len(values["upstream"]) > 1
    nodes = [("aws_region", "requires a single URL in upstream")] if several else []
    return missing + both + nodes + _addresses(values, named)


def _addresses(values: Mapping[str, Any], named: Collection[str]) -> list[tuple[str, str]]:
    """Find conflicts between the two addresses to listen on."""
    listen, admin_listen = values["listen"], values["admin_listen"]
    if admin_listen == SHARED:
        # The engine would authenticate the endpoint's certificate instead of the caller.
        certified = values["upstream_certificate"] is not None
        return [("admin_listen", "`shared` cannot be combined with upstream_certificate")] if certified else []
    if listen.startswith(UNIX) and "admin_listen" not in named:
        return [("listen", "a Unix socket requires admin_listen, whose default lets every local user reach the engine")]
    same = [("admin_listen", "must differ from listen in port or path; use `shared` for one address")]
    return same if same_place(listen, admin_listen) else []
