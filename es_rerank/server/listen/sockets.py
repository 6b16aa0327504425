"""Opens the sockets to listen on: a port, or a path of the file system."""

from __future__ import annotations

import errno
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from es_rerank.config.settings import Settings
from es_rerank.config.types import SHARED, UNIX, host_and_port
from es_rerank.errors import EsRerankError


class Sockets(NamedTuple):
    """The bound sockets of an endpoint, by the settings that name their places."""

    listen: Sequence[socket.socket] = ()
    admin_listen: Sequence[socket.socket] = ()

    def close(self) -> None:
        """Close all."""
        for one in (*self.listen, *self.admin_listen):
            one.close()


NONE = Sockets()


def bind_all(settings: Settings, given: Sockets = NONE) -> Sockets:
    """Bind what the settings name and is not *given*. Raises EsRerankError as `bind` does, and leaves nothing open."""
    bound = given
    for name, sockets in given._asdict().items():
        place = getattr(settings, name)
        if sockets or place == SHARED:
            continue
        try:
            bound = bound._replace(**{name: bind(place, shared=settings.workers > 1, setting=name)})
        except EsRerankError:
            bound.close()
            raise
    return bound


def bind(listen: str, *, shared: bool = False, setting: str = "listen") -> list[socket.socket]:
    """Bind `HOST:PORT`, on each address that the host has, or `unix:/PATH`; nobody is listened to yet.

    With *shared* other processes may bind the same port beside this one (`SO_REUSEPORT`), and the kernel spreads the
    connections over those that listen. Raises EsRerankError where the address cannot be had, which names its *setting*.
    """
    try:
        return [_unix(Path(listen.removeprefix(UNIX)))] if listen.startswith(UNIX) else _tcp(listen, shared=shared)
    except OSError as error:
        reason = "it is taken by another program" if error.errno == errno.EADDRINUSE else str(error)
        flag = "--" + setting.replace("_", "-")
        raise EsRerankError(f"cannot listen on {listen}: {reason}; choose another with {flag}") from error


def address(bound: socket.socket) -> str:
    """Write where a socket is bound, as `listen` is written."""
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return f"{UNIX}{name}"
    host = f"[{name[0]}]" if bound.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def _tcp(listen: str, *, shared: bool) -> list[socket.socket]:
    """Bind a port on each address of a host."""
    host, port = host_and_port(listen)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, place in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            bound.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(place)
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _unix(path: Path) -> socket.socket:
    """Bind a path; a socket that an earlier run left there goes, one that somebody listens on stays."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.stat().st_mode) and one.connect_ex(str(path)) != 0:
                path.unlink()
        one.close()
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.bind(str(path))
    except OSError:
        one.close()
        raise
    return one
