"""Checks between settings: settings that require or exclude other settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from es_rerank.config.addresses import SHARED, UNIX, same_place
from es_rerank.rerank.backends import can_serve
from es_rerank.rerank.profiles import PROFILES

# Pairs of a setting and another setting that it requires.
_REQUIRES = (
    ("listen_certificate", "listen_key"),
    ("listen_key", "listen_certificate"),
    ("listen_client_ca", "listen_certificate"),
    ("upstream_certificate", "upstream_key"),
    ("upstream_key", "upstream_certificate"),
    ("upstream_username", "upstream_password"),
    ("upstream_password", "upstream_username"),
    ("publish_address", "sniff"),
    ("shared_cache_username", "shared_cache_password"),
    *((f"shared_cache_{name}", "shared_cache") for name in ("password", "ca", "ttl", "timeout", "prefix")),
)
# Pairs of settings that cannot be combined.
_EXCLUDES = (
    ("upstream_username", "upstream_api_key"),
    ("aws_region", "upstream_api_key"),
    ("aws_region", "upstream_username"),
    # The engine would authenticate es-rerank by its client certificate instead of the caller.
    ("inference_ids", "upstream_certificate"),
    # The PROXY protocol header arrives before the TLS handshake, and Python's TLS server cannot read it there.
    ("proxy_protocol", "listen_certificate"),
)


def conflicts(values: Mapping[str, Any], changed: Collection[str], named: Collection[str]) -> list[tuple[str, str]]:
    """Return the conflicts between settings.

    Args:
        values: The values of all settings, by name.
        changed: The names of the settings whose values differ from the defaults.
        named: The names of the settings that the operator has set, even to their default values.

    Returns:
        For each conflict, the name of a setting and the error message.

    """
    missing = [(one, f"requires {other}") for one, other in _REQUIRES if one in changed and other not in changed]
    both = [
        (one, f"cannot be combined with {other}") for one, other in _EXCLUDES if one in changed and other in changed
    ]
    several = values["aws_region"] and len(values["upstream"]) > 1
    nodes = [("aws_region", "requires a single URL in upstream")] if several else []
    return missing + both + nodes + _model(values) + _addresses(values, named)


def _model(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the conflict between `backend` and `profile`; empty if the backend can serve the profile's model."""
    backend, profile = values["backend"], values["profile"]
    if can_serve(backend, profile):
        return []
    others = ", ".join(name for name in PROFILES if can_serve(backend, name))
    return [("profile", f"the backend {backend} cannot serve {profile}, whose prompt needs vLLM; choose from {others}")]


def _addresses(values: Mapping[str, Any], named: Collection[str]) -> list[tuple[str, str]]:
    """Return the conflicts between the addresses `listen` and `admin_listen`, and of `shared` with other settings."""
    listen, admin_listen = values["listen"], values["admin_listen"]
    if admin_listen == SHARED:
        # The engine would authenticate es-rerank by its client certificate instead of the caller.
        certified = values["upstream_certificate"] is not None
        return [("admin_listen", "`shared` cannot be combined with upstream_certificate")] if certified else []
    if listen.startswith(UNIX) and "admin_listen" not in named:
        return [("listen", "a Unix socket requires admin_listen, whose default lets every local user reach the engine")]
    same = [("admin_listen", "must differ from listen in port or path; use `shared` for one address")]
    return same if same_place(listen, admin_listen) else []
