"""A loopback port for a part that is about to start."""

import socket

from es_rerank_lab.parts.errors import PartError

HOST = "127.0.0.1"


def claim_port(port: int = 0) -> int:
    """`port` where it is free on 127.0.0.1, any free one for 0. Raises PartError where it is taken."""
    with socket.socket() as probe:
        # A listener's option: without it a port in TIME_WAIT after the last run would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            raise PartError(
                f"Port {port} on {HOST} cannot be used ({error.strerror}). Stop what listens there, or choose "
                "another port (0 takes any free one)."
            ) from error
        return int(probe.getsockname()[1])
