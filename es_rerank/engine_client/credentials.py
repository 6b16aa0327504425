"""Who asks the engine: the caller, with the credentials it brings; else the endpoint, where the operator says so."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace

from multidict import CIMultiDict

from es_rerank.config.settings import Settings
from es_rerank.engine_client.sigv4 import Signer
from es_rerank.net.messages import OutgoingRequest

_AUTHORIZATION = "Authorization"

Credentials = Callable[[str, OutgoingRequest], Awaitable[OutgoingRequest]]
"""Writes a request to the node of a URL as the one who asks."""


def credentials(settings: Settings) -> Credentials:
    """Choose who asks. Raises ConfigError if requests must be signed and cannot be."""
    if settings.aws_region:
        return Signer(settings.aws_region, settings.aws_service)
    ours = _ours(settings)
    return _Service(ours) if ours else _callers


def _ours(settings: Settings) -> str:
    """Write the credentials of the endpoint itself; empty if it has none."""
    if settings.upstream_api_key:
        return f"ApiKey {settings.upstream_api_key.get_secret_value()}"
    if settings.upstream_username and settings.upstream_password:
        pair = f"{settings.upstream_username}:{settings.upstream_password.get_secret_value()}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    return ""


async def _callers(_url: str, request: OutgoingRequest) -> OutgoingRequest:
    """Leave the caller's own."""
    return request


class _Service:
    """Credentials for callers who bring none; a caller's own rights are never replaced by wider ones."""

    def __init__(self, value: str) -> None:
        """Hold the value of the header."""
        self._value = value

    async def __call__(self, _url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Add them where there are none."""
        if _AUTHORIZATION in request.headers:
            return request
        return replace(request, headers=CIMultiDict([*request.headers.items(), (_AUTHORIZATION, self._value)]))
