from __future__ import annotations

from es_rerank.model import LongDocumentMode, Rule, ScoreRequest
from es_rerank.rerank.chunking import Cut, Limits, Piece
from es_rerank.rerank.prompt import read_documents
from es_rerank.rerank_client.window import Window


def window(**values: object) -> Window:
    """A window of four documents with 2, 0, 1 and 2 passages; the passage `b` is in two of them."""
    request = ScoreRequest("hose", ["one", None, "two", "three"], Rule("docs"), 1.0)
    made = Window(
        request, "hose", Limits(LongDocumentMode.MAX_PASSAGE, 8, 100, 16), read_documents(["one", "two", "three"])
    )
    made.numbers = [(0, 1), (0,), (0, 3)]
    made.set_keys([[b"a", b"b"], [b"c"], [b"b", b"d"]])
    made.count = 4
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_keys_belong_to_the_document_of_their_passage() -> None:
    assert window().rows == [[b"a", b"b"], (), [b"c"], [b"b", b"d"]]


def test_each_key_has_the_place_of_its_passage() -> None:
    assert window().places == {b"a": (0, 0), b"b": (2, 0), b"c": (1, 0), b"d": (2, 3)}


def test_cuts_are_set_for_the_documents_with_these_numbers() -> None:
    one, other = Cut((Piece(0, 3, 1),)), Cut((Piece(0, 5, 2),))
    made = window(cuts=[None, None, None])
    made.set_cuts([2, 0], [one, other])
    assert made.cuts == [other, None, one]


def test_a_window_is_complete_if_the_score_of_each_passage_is_known() -> None:
    scores = {b"a": 1.0, b"b": 2.0, b"c": 3.0, b"d": 4.0}
    assert window(scores=scores).complete
    assert not window(scores={**scores, b"d": 4.0}, numbers=None).complete
    assert not window(scores={b"a": 1.0, b"b": 2.0, b"c": 3.0}).complete


def test_missing_pairs_are_those_that_are_read_and_not_cached_each_once() -> None:
    assert window().missing() == [b"a", b"b", b"c", b"d"]
    assert window(cached=frozenset({b"a", b"c"})).missing() == [b"b", b"d"]
    assert window(count=3).missing() == [b"a", b"b", b"c"]
    assert window(count=0).missing() == []


def test_the_scored_head_ends_at_the_first_document_with_a_passage_without_score() -> None:
    scores = {b"a": 1.0, b"b": 2.0, b"d": 4.0}
    assert window().scored_head() == 0
    assert window(scores=scores).scored_head() == 2
    assert window(scores={**scores, b"c": 3.0}).scored_head() == 4
    assert window(scores={**scores, b"c": 3.0}, count=3).scored_head() == 3
    assert window(scores={b"a": 1.0}).scored_head() == 0


def test_a_document_is_scored_by_its_best_passage() -> None:
    made = window(scores={b"a": 1.0, b"b": 2.0, b"c": -3.0, b"d": 4.0})
    assert made.best_scores(4) == [2.0, -3.0, 4.0]
    assert made.best_scores(2) == [2.0]


def test_a_document_is_cached_if_all_its_passages_are() -> None:
    assert window(cached=frozenset({b"a", b"b", b"c"})).cached_documents(4) == 2
    assert window(cached=frozenset({b"a", b"b", b"c"})).cached_documents(2) == 1
    assert window(cached=frozenset({b"a"})).cached_documents(4) == 0
