from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import PolicySpec, Protection
from es_rerank.search.known_items import first_hit, is_exact, known_item
from es_rerank.search.scoring import PINNED, POLICIES, rank

PROTECTION = Protection(score_ratio=1.5, margin=0.5)
ENGINE = st.lists(st.floats(0, 1e30), min_size=2, max_size=10).map(lambda scores: sorted(scores, reverse=True))


@pytest.mark.parametrize(
    ("engine", "model", "exact", "expected"),
    [
        pytest.param([15, 10, 9], [0.3, 0.7, 0.1], False, 0, id="far ahead"),
        pytest.param([14.9, 10, 9], [0.3, 0.7, 0.1], False, None, id="not far enough ahead"),
        pytest.param([10, 10, 9], [0.3, 0.7, 0.1], True, 0, id="exact"),
        pytest.param([15, 10, 9], [0.2, 0.75, 0.1], False, None, id="far ahead, the model is sure of another"),
        pytest.param([10, 10, 9], [0.2, 0.75, 0.1], True, None, id="exact, the model is sure of another"),
        pytest.param([15, 10, 9], [None, 0.7, 0.1], True, None, id="without text"),
        pytest.param([15, 0, 0], [0.3, 0.7, 0.1], False, None, id="the second has no score to compare with"),
        pytest.param([0, 0], [0.3, 0.7], False, None, id="no scores"),
        pytest.param([PINNED, 15, 10], [None, 0.3, 0.7], False, 1, id="after a pinned hit"),
        pytest.param([PINNED, PINNED], [None, None], True, None, id="only pinned hits"),
        pytest.param([15, 10], [0.3], False, 0, id="the second is below the window"),
        pytest.param([15, 10], [], True, None, id="no window"),
        pytest.param([], [], True, None, id="no hits"),
        pytest.param([15], [0.3], False, None, id="a single hit"),
        pytest.param([0.6, 0.2], [0.3, 0.7], False, 0, id="far ahead with low scores"),
        pytest.param([15, 10], [0.25, 0.75], False, None, id="the model is just sure enough of another"),
        pytest.param([15, 10], [0.25, 0.749], False, 0, id="the model is not sure enough of another"),
        pytest.param([PINNED, PINNED, 15, 10], [None, None, 0.3, 0.7], False, 2, id="after two pinned hits"),
    ],
)
def test_a_known_item(engine: list[float], model: list[float | None], exact: bool, expected: int | None) -> None:
    assert known_item(engine, model, exact=exact, protection=PROTECTION) == expected


@pytest.mark.parametrize(
    ("engine", "position"), [([], 0), ([3.0], 0), ([PINNED, 3.0], 1), ([PINNED, PINNED], 2)], ids=str
)
def test_the_first_hit_after_pinned_hits(engine: list[float], position: int) -> None:
    assert first_hit(engine) == position


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Garden hose, green", True),
        ("  garden-hose GREEN ", True),
        ("Ｇarden hose green", True),
        ("garden hose", False),
        ("garden hose green 20 m", False),
        ("sku-12/a", True),
        ("SKU 12A", True),
        ("second name", True),
        ("nested title", True),
        ("flat", True),
        ("12", False),
        ("", False),
        ("?!", False),
        ("not compared", False),
    ],
)
def test_an_exact_match_is_the_id_or_the_whole_text_of_a_field(text: str, expected: bool) -> None:
    source = {
        "title": "Garden hose (green)",
        "names": ["first name", "second name", 3],
        "inner": {"title": "Nested title", "deep": {"n": 12}},
        "other": "not compared",
        "blank": "?!",
    }
    flat: dict[str, Any] = {"flat": ["flat"]}
    fields = ("title", "names", "inner.title", "inner.deep.n", "inner.title.x", "flat", "missing", "blank")
    assert is_exact(text, "SKU-12A", (source, flat), fields) is expected


def test_long_texts_are_not_compared() -> None:
    assert is_exact("a" * 500, "", ({"body": "a" * 500}, {}), ("body",))
    assert not is_exact("a" * 501, "", ({"body": "a" * 501}, {}), ("body",))


@given(st.sampled_from(sorted(POLICIES)), ENGINE, st.data())
def test_a_protected_hit_is_first_and_scores_stay_sorted(name: str, engine: list[float], data: st.DataObject) -> None:
    model: Sequence[float] = data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=len(engine)))
    first = data.draw(st.integers(0, len(model) - 1))
    ranking = rank(PolicySpec(name), engine, model, None, first)
    free = rank(PolicySpec(name), engine, model)
    assert ranking.order[0] == first
    assert [at for at in ranking.order if at != first] == [at for at in free.order if at != first]
    scores = [score for score in ranking.scores if score is not None]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == next(score for score in free.scores if score is not None)
