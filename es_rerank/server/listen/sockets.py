"""Binds the sockets to listen on: TCP ports and Unix sockets."""

from __future__ import annotations

import errno
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from es_rerank.config.addresses import SHARED, UNIX, host_and_port
from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError


class Sockets(NamedTuple):
    """The bound sockets of an endpoint. Each attribute has the name of the setting with the address."""

    listen: Sequence[socket.socket] = ()
    admin_listen: Sequence[socket.socket] = ()

    def close(self) -> None:
        """Close all sockets."""
        for bound in (*self.listen, *self.admin_listen):
            bound.close()


NONE = Sockets()


def bind_all(settings: Settings, inherited: Sockets = NONE) -> Sockets:
    """Return sockets that are bound to the addresses in the settings. *inherited* sockets are reused.

    Raises:
        EsRerankError: An address cannot be bound. All sockets are then closed.

    """
    bound = inherited
    for name, sockets in inherited._asdict().items():
        listen = getattr(settings, name)
        if sockets or listen == SHARED:
            continue
        try:
            bound = bound._replace(**{name: bind(listen, shared=settings.workers > 1, setting=name)})
        except EsRerankError:
            bound.close()
            raise
    return bound


def bind_shared(settings: Settings) -> Sockets:
    """Return sockets for several workers that are bound to the addresses in the settings.

    Raises:
        EsRerankError: An address cannot be bound, for example because the workers of another es-rerank listen on it.

    """
    # The kernel lets the workers of two endpoints share a port, but refuses to bind it without SO_REUSEPORT.
    bind_all(settings.model_copy(update={"workers": 1})).close()
    return bind_all(settings)


def bind(listen: str, *, shared: bool = False, setting: str = "listen") -> list[socket.socket]:
    """Return sockets that are bound to an address, but do not listen yet.

    Args:
        listen: `HOST:PORT`, bound on each IP address of the host, or `unix:/PATH`.
        shared: Whether other processes can bind the same port (`SO_REUSEPORT`). The kernel then distributes connections
            over the processes.
        setting: The setting with the address, for the error message.

    Raises:
        EsRerankError: The address cannot be bound.

    """
    try:
        return [_unix(Path(listen.removeprefix(UNIX)))] if listen.startswith(UNIX) else _tcp(listen, shared=shared)
    except OSError as error:
        reason = "it is in use by another program" if error.errno == errno.EADDRINUSE else str(error)
        flag = "--" + setting.replace("_", "-")
        raise EsRerankError(f"cannot listen on {listen}: {reason}; choose another with {flag}") from error


def address(bound: socket.socket) -> str:
    """Return the address of a socket in the format of the setting `listen`."""
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return f"{UNIX}{name}"
    host = f"[{name[0]}]" if bound.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def _tcp(listen: str, *, shared: bool) -> list[socket.socket]:
    """Return sockets that are bound to the port on each IP address of the host."""
    host, port = host_and_port(listen)
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, ip_address in dict.fromkeys(addresses):
            tcp = socket.socket(family, kind, protocol)
            bound.append(tcp)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tcp.bind(ip_address)
    except OSError:
        for tcp in bound:
            tcp.close()
        raise
    return bound


def _unix(path: Path) -> socket.socket:
    """Return a socket bound to a path. A socket file of an earlier process is replaced if nothing listens on it."""
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.stat().st_mode) and unix.connect_ex(str(path)) != 0:
                path.unlink()
        unix.close()
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(path))
    except OSError:
        unix.close()
        raise
    return unix
