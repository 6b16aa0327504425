import ssl
import stat
from pathlib import Path

import pytest

from es_rerank_lab.parts import security as parts_security
from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.distribution import ENGINES
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.java import Java
from es_rerank_lab.parts.node import Node
from es_rerank_lab.parts.security import Credentials, secure, store_password


@pytest.fixture
def node(tmp_path: Path) -> Node:
    run = tmp_path / "run"
    (run / "config").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    return Node(
        engine=ENGINES["elasticsearch"],
        home=tmp_path,
        run=run,
        java=Java(Path("/java"), 17, frozenset()),
        port=9200,
        heap="1g",
        data=run / "data",
    )


def keystore_tool(node: Node, script: str) -> None:
    tool = node.home / "bin" / "elasticsearch-keystore"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(stat.S_IRWXU)


def test_the_certificate_is_signed_by_the_ca(node: Node) -> None:
    pytest.importorskip("trustme")
    credentials = secure(node)
    context = ssl.create_default_context(cafile=credentials.ca)
    context.load_cert_chain(node.config / "certs" / "http.crt", node.config / "certs" / "http.key")
    assert credentials.username == "elastic"
    assert credentials.password not in str(list(node.config.rglob("*")))


def test_a_missing_trustme_is_reported_with_what_to_install(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(parts_security.importlib, "import_module", missing)
    with pytest.raises(PartError, match="trustme"):
        secure(node)


def test_the_password_is_passed_to_the_keystore_tool_on_standard_input(node: Node, me: Account) -> None:
    keystore_tool(node, 'echo "$@" > received; cat >> received')
    store_password(node, Credentials("elastic", "hidden", node.config), me)
    assert (node.run / "received").read_text() == "add --stdin --force bootstrap.password\nhidden"


def test_an_error_of_the_keystore_tool_is_reported(node: Node, me: Account) -> None:
    keystore_tool(node, "echo no keystore here; exit 65")
    with pytest.raises(PartError, match="elasticsearch-keystore failed: no keystore here"):
        store_password(node, Credentials("elastic", "hidden", node.config), me)
