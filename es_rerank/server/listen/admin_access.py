"""Who can access the admin pages at the address that received a request."""

from __future__ import annotations

from enum import Enum, auto

from aiohttp import web


class AdminAccess(Enum):
    """Who can access the admin pages below `/_rerank` at an address; with NONE, that path is passed to the engine."""

    NONE = auto()
    ALL = auto()
    AUTHENTICATED = auto()


def admin_access(request: web.BaseRequest) -> AdminAccess:
    """Return who can access the admin pages at the address that received a request."""
    access = getattr(request.protocol, "admin_access", None)
    return access if isinstance(access, AdminAccess) else AdminAccess.NONE
