from __future__ import annotations

import pytest

from es_rerank.rerank_client import server_choice


@pytest.fixture
def first_of_equal_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the first of several equally fast servers, instead of a random one."""
    monkeypatch.setattr(server_choice.random, "random", lambda: 0.0)
