from __future__ import annotations

import socket
from pathlib import Path

import pytest

from es_rerank.config.settings import Settings
from es_rerank.errors import EsRerankError
from es_rerank.server.listen.sockets import NONE, Sockets, address, bind, bind_all, bind_shared


def test_port_0_binds_any_free_port() -> None:
    (bound,) = bind("127.0.0.1:0")
    with bound:
        assert address(bound) == f"127.0.0.1:{bound.getsockname()[1]}"
        bound.listen()
        with pytest.raises(EsRerankError, match=r"it is in use by another program; choose another with --listen"):
            bind(address(bound))


def test_an_ipv6_address_is_written_in_brackets() -> None:
    (bound,) = bind("[::1]:0")
    with bound:
        assert address(bound).startswith("[::1]:")


def test_a_shared_port_can_be_bound_more_than_once() -> None:
    (first,) = bind("127.0.0.1:0", shared=True)
    (second,) = bind(address(first), shared=True)
    assert address(first) == address(second)
    first.close()
    second.close()


def test_workers_do_not_share_the_port_of_another_endpoint() -> None:
    settings = Settings(listen="127.0.0.1:0", admin_listen="shared", workers=2)
    first = bind_shared(settings)
    (worker,) = bind(address(first.listen[0]), shared=True)
    worker.listen()
    with pytest.raises(EsRerankError, match="it is in use by another program"):
        bind_shared(settings.model_copy(update={"listen": address(worker)}))
    worker.close()
    first.close()


@pytest.mark.parametrize("listen", ["192.0.2.1:9280", "no.such.host.invalid:1", "unix:/no/such/folder/x.sock"])
def test_an_address_that_cannot_be_bound_is_an_error(listen: str) -> None:
    with pytest.raises(EsRerankError, match=f"cannot listen on {listen}: "):
        bind(listen)


def test_a_socket_file_of_an_earlier_run_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    (first,) = bind(f"unix:{path}")
    assert address(first) == f"unix:{path}"
    first.listen()
    with pytest.raises(EsRerankError, match="in use by another program"):
        bind(f"unix:{path}")
    first.close()
    (second,) = bind(f"unix:{path}")
    second.close()


def test_a_file_that_is_not_a_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("keep me")
    with pytest.raises(EsRerankError):
        bind(f"unix:{path}")
    assert path.read_text() == "keep me"


def test_all_ip_addresses_of_a_host_are_bound() -> None:
    bound = bind("localhost:0")
    assert {one.family for one in bound} <= {socket.AF_INET, socket.AF_INET6}
    for one in bound:
        one.close()


def test_both_addresses_are_bound_except_inherited_sockets() -> None:
    settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0")
    bound = bind_all(settings)
    again = bind_all(settings, Sockets(bound.listen))
    assert again.listen is bound.listen
    assert len({address(one) for one in (*bound.listen, *bound.admin_listen, *again.admin_listen)}) == 3
    bound.close()
    again.close()
    assert all(one.fileno() == -1 for one in (*bound.listen, *bound.admin_listen, *again.admin_listen))


def test_shared_admin_pages_have_no_socket() -> None:
    bound = bind_all(Settings(listen="127.0.0.1:0", admin_listen="shared"), NONE)
    assert (len(bound.listen), bound.admin_listen) == (1, ())
    bound.close()


def test_an_error_names_the_setting_and_closes_all_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []

    class RecordedSocket(socket.socket):
        def __init__(self, *arguments: int) -> None:
            super().__init__(*arguments)
            opened.append(self)

    (taken,) = bind("127.0.0.1:0")
    with taken:
        taken.listen()
        monkeypatch.setattr(socket, "socket", RecordedSocket)
        with pytest.raises(EsRerankError, match=r"it is in use by another program; choose another with --admin-listen"):
            bind_all(Settings(listen="127.0.0.1:0", admin_listen=address(taken)))
    assert [one.fileno() for one in opened] == [-1, -1]
