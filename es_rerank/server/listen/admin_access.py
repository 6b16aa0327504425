"""Determines who can access the admin pages at the address that received a request."""

from __future__ import annotations

from enum import Enum, auto

from aiohttp import web


class AdminAccess(Enum):
    """The callers that can access the admin pages at an address. If NONE, requests to `/_rerank` go to the engine."""

    NONE = auto()
    ALL = auto()
    AUTHENTICATED = auto()


def admin_access(request: web.BaseRequest) -> AdminAccess:
    """Return who can access the admin pages at the address that received a request."""
    access = getattr(request.protocol, "admin_access", None)
    return access if isinstance(access, AdminAccess) else AdminAccess.NONE
