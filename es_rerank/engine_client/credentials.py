"""es-rerank's own credentials for the engine, used for callers that send no credentials."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Protocol

from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client.sigv4 import Signer
from es_rerank.net.messages import OutgoingRequest

_AUTHORIZATION = "Authorization"


class Credentials(Protocol):
    """Adds es-rerank's own credentials to requests, in two steps: `prepare`, and then `sign` for each node."""

    async def prepare(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with the changes that are the same for all nodes. Called once per request."""

    async def sign(self, url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Return the prepared request with credentials for the node at *url*."""


def credentials(settings: Settings) -> Credentials | None:
    """Return the object that adds the configured credentials to requests; None if no credentials are configured.

    Raises:
        ConfigError: Requests must be signed, but the extra `aws` is not installed.

    """
    if settings.aws_region:
        return Signer(settings.aws_region, settings.aws_service, settings.aws_max_body)
    value = _header_value(settings)
    return _ServiceCredentials(value) if value else None


def _header_value(settings: Settings) -> str:
    """Return the value of `Authorization` for the configured API key or user; empty if neither is configured."""
    if settings.upstream_api_key:
        return f"ApiKey {settings.upstream_api_key.get_secret_value()}"
    if settings.upstream_username and settings.upstream_password:
        pair = f"{settings.upstream_username}:{settings.upstream_password.get_secret_value()}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    return ""


class _ServiceCredentials:
    """Adds `Authorization` to requests without it; a caller's own credentials are never replaced."""

    def __init__(self, value: str) -> None:
        """Store the header value."""
        self._value = value

    async def prepare(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with `Authorization`. The value is the same for all nodes."""
        if _AUTHORIZATION in request.headers:
            return request
        return replace(request, headers=CIMultiDict([*request.headers.items(), (_AUTHORIZATION, self._value)]))

    async def sign(self, _url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request unchanged."""
        return request
