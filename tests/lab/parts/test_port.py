import socket

import pytest

from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.port import claim_port


def test_zero_is_any_free_port() -> None:
    port = claim_port()
    assert claim_port(port) == port


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PartError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            claim_port(port)
