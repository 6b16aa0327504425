from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from es_rerank.server.listen.admin_access import AdminAccess, admin_access


@pytest.mark.parametrize("access", AdminAccess)
def test_the_connection_knows_who_can_access_the_admin_pages(access: AdminAccess) -> None:
    request: Any = SimpleNamespace(protocol=SimpleNamespace(admin_access=access))
    assert admin_access(request) is access


def test_nobody_can_access_them_on_another_connection() -> None:
    for protocol in (None, SimpleNamespace(), SimpleNamespace(admin_access=True)):
        request: Any = SimpleNamespace(protocol=protocol)
        assert admin_access(request) is AdminAccess.NONE
