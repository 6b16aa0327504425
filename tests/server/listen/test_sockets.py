from __future__ import annotations

import socket
from pathlib import Path

import pytest

from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.server.listen.sockets import NONE, Sockets, address, bind, bind_all


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


def test_both_places_are_bound_and_one_that_is_given_is_kept() -> None:
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0")
    bound = bind_all(settings)
    again = bind_all(settings, Sockets(bound.listen))
    assert again.listen is bound.listen
    assert len({address(one) for one in (*bound.listen, *bound.admin_listen, *again.admin_listen)}) == 3
    bound.close()
    again.close()
    assert all(one.fileno() == -1 for one in (*bound.listen, *bound.admin_listen, *again.admin_listen))


def test_shared_pages_have_no_socket_of_their_own() -> None:
    bound = bind_all(Settings(listen="127.0.0.1:0", admin_listen="shared"), NONE)
    assert (len(bound.listen), bound.admin_listen) == (1, ())
    bound.close()


def test_admin_listen_that_cannot_stand_there_are_named_and_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *words: int) -> None:
            super().__init__(*words)
            opened.append(self)

    (taken,) = bind("127.0.0.1:0")
    with taken:
        taken.listen()
        monkeypatch.setattr(socket, "socket", Noted)
        with pytest.raises(EsRerankError, match=r"it is taken by another program; choose another with --admin-listen"):
            bind_all(Settings(listen="127.0.0.1:0", admin_listen=address(taken)))
    assert [one.fileno() for one in opened] == [-1, -1]
