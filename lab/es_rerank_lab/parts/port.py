"""Finds free ports on 127.0.0.1."""

import socket

from es_rerank_lab.parts.errors import PartError

HOST = "127.0.0.1"


def claim_port(port: int = 0) -> int:
    """Return *port*, or any free port if it is 0. Raises PartError if the port is in use on 127.0.0.1."""
    with socket.socket() as probe:
        # Servers set this option too. Without it, a port in TIME_WAIT after the last run would appear to be in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            raise PartError(
                f"Port {port} on {HOST} cannot be used ({error.strerror}). Stop the program that listens there, or "
                "choose another port (0 for any free one)."
            ) from error
        return int(probe.getsockname()[1])
