from __future__ import annotations

from collections.abc import Sequence

import pytest

from es_rerank.rerank.chunking import Cut, Piece
from es_rerank.rerank.passage_choice import affordable, all_passages, later_tokens, shared_words


def passages(*texts: str, tokens: int = 20) -> tuple[str, Cut]:
    """Return a document whose passages are the given texts, and its cut."""
    document, pieces = "", []
    for text in texts:
        pieces.append(Piece(len(document), len(document) + len(text), tokens))
        document += text + " "
    return document, Cut(tuple(pieces))


def chosen(query: str, budget: int, *documents: tuple[str, Cut]) -> list[list[int]]:
    cuts = [cut for _, cut in documents]
    return [list(numbers) for numbers in affordable(cuts, shared_words(documents, query), budget)]


def test_the_passages_with_words_of_the_query_are_chosen() -> None:
    about = passages("noise", "noise", "a leaking hose", "noise")
    assert chosen("leaking hose", 20, about, passages("other", "other")) == [[0, 2], [0]]


def test_every_document_keeps_its_first_passage_whatever_the_budget() -> None:
    assert chosen("hose", -100, *[passages("hose", "hose")] * 3) == [[0]] * 3


@pytest.mark.parametrize(("budget", "expected"), [(19, [0]), (20, [0, 1]), (39, [0, 1]), (40, [0, 1, 2])])
def test_passages_are_chosen_while_they_fit_into_the_budget(budget: int, expected: Sequence[int]) -> None:
    assert chosen("none", budget, passages("a", "b", "c", "d")) == [expected]


def test_the_rarest_word_of_the_query_decides() -> None:
    common = passages("hose", "hose")
    assert chosen("hose leak", 25, common, common, common, passages("noise", "leak")) == [[0], [0], [0], [0, 1]]


def test_pairs_of_cjk_characters_count_as_words() -> None:
    assert chosen("水漏れ", 20, passages("庭", "庭木", "水漏", "庭木")) == [[0, 2]]


def test_a_document_that_is_not_cut_has_one_passage() -> None:
    _, cut = passages("a", "b", "c")
    assert [list(numbers) for numbers in all_passages([None, cut])] == [[0], [0, 1, 2]]
    assert [list(numbers) for numbers in affordable([None, cut], shared_words([("a b c", cut)], "c"), 20)] == [
        [0],
        [0, 2],
    ]


def test_first_passages_are_not_later_ones() -> None:
    _, cut = passages("a", "b", "c")
    assert later_tokens([None, cut, cut]) == 80
