from __future__ import annotations

import socket
from pathlib import Path

import pytest

from es_rerank.errors import EsRerankError
from es_rerank.listen.sockets import address, bind


def test_a_port_of_any_number() -> None:
    (bound,) = bind("127.0.0.1:0")
    with bound:
        assert address(bound) == f"127.0.0.1:{bound.getsockname()[1]}"
        bound.listen()
        with pytest.raises(EsRerankError, match=r"it is taken by another program; choose another with --listen"):
            bind(address(bound))


def test_an_address_of_version_six_is_written_in_brackets() -> None:
    (bound,) = bind("[::1]:0")
    with bound:
        assert address(bound).startswith("[::1]:")


def test_a_shared_port_is_bound_by_many() -> None:
    (first,) = bind("127.0.0.1:0", shared=True)
    (second,) = bind(address(first), shared=True)
    assert address(first) == address(second)
    first.close()
    second.close()


@pytest.mark.parametrize("listen", ["192.0.2.1:9280", "no.such.host.invalid:1", "unix:/no/such/folder/x.sock"])
def test_an_address_that_is_not_here(listen: str) -> None:
    with pytest.raises(EsRerankError, match=f"cannot listen on {listen}: "):
        bind(listen)


def test_a_path_that_an_earlier_run_left_is_taken_over_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    (first,) = bind(f"unix:{path}")
    assert address(first) == f"unix:{path}"
    first.listen()
    with pytest.raises(EsRerankError, match="taken by another program"):
        bind(f"unix:{path}")
    first.close()
    (second,) = bind(f"unix:{path}")
    second.close()


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(EsRerankError):
        bind(f"unix:{path}")
    assert path.read_text() == "keep me"


def test_families() -> None:
    bound = bind("localhost:0")
    assert {one.family for one in bound} <= {socket.AF_INET, socket.AF_INET6}
    for one in bound:
        one.close()
