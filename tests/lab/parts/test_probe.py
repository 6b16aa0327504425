from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from es_rerank_lab.parts.port import claim_port
from es_rerank_lab.parts.probe import Probe

if TYPE_CHECKING:
    from .conftest import FileServer


def test_only_a_successful_response_counts(files: FileServer) -> None:
    files.files["/health"] = b""
    assert Probe(f"{files.url}/health", "elastic", "secret").answers()
    assert not Probe(f"{files.url}/other").answers()
    assert not Probe(f"http://127.0.0.1:{claim_port()}/health").answers()


def test_a_proxy_in_the_environment_is_ignored(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    files.files["/health"] = b""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Probe(f"{files.url}/health").answers()
