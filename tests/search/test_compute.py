from __future__ import annotations

import threading

from es_rerank.search.compute import compute_inline


async def test_a_function_is_called_at_once_whatever_the_size() -> None:
    called = await compute_inline(10**9, lambda value: (value, threading.current_thread()), 3)
    assert called == (3, threading.current_thread())
