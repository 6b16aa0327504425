from __future__ import annotations

from tests.trace import Call, calls_of_a_search, lines


async def test_a_trace_has_the_steps_of_a_search_in_order() -> None:
    calls = await calls_of_a_search()
    steps = [
        Call("server/dispatch.py", "dispatch"),
        Call("server/handlers/search.py", "handle"),
        Call("search/plan.py", "make"),
        Call("rerank_client/client.py", "Reranker.score"),
        Call("search/scoring.py", "rank"),
        Call("search/response/rewrite.py", "rewrite"),
        Call("server/metrics.py", "Metrics.searched"),
    ]
    assert [call for call in calls if call in steps] == steps
    assert "testing.py" not in {call.module for call in calls}


def test_calls_are_grouped_by_module() -> None:
    a, b = Call("a.py", "one"), Call("b.py", "Two.three.<locals>.<genexpr>")
    assert list(lines([a, a, b, a, Call("a.py", "two")])) == [
        "a.py: one",
        "a.py: one two",
        "2 modules, 2 changes, 5 calls",
    ]
