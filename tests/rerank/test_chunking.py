from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import LongDocumentMode
from es_rerank.rerank.chunking import Limits, estimate, passages


def words(text: str) -> Sequence[tuple[int, int]]:
    """Take each word for a token."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def cut(text: str, mode: LongDocumentMode, limit: int, budget: int = 10_000) -> list[str]:
    return passages([text], "", Limits(mode, limit, budget), words)[0]


LONG = " ".join(f"w{at}" for at in range(100))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short enough to stay", "short enough to stay"),
        ("one two three four. five six seven", "one two three four."),
        ("one two three\n\nfour five. six seven", "one two three\n\nfour five."),
        ("one two three four\n\nix, six seven", "one two three four"),
        ("one two three, four-five six seven", "one two three, four-five six"),
        ("one two three four five six seven", "one two three four five"),
    ],
)
def test_truncation_ends_on_the_best_boundary_near_the_limit(text: str, expected: str) -> None:
    assert cut(text, LongDocumentMode.TRUNCATE, 5 if len(text.split()) > 4 else 4) == [expected]


def test_no_text_is_no_passage() -> None:
    assert passages([None, "", "hose"], "q", Limits(LongDocumentMode.TRUNCATE, 10, 100), words) == [[], [], ["hose"]]


def test_passages_overlap_and_cover_the_whole_text() -> None:
    pieces = cut(LONG, LongDocumentMode.MAX_PASSAGE, 20)
    assert pieces[0].split()[0] == "w0"
    assert pieces[-1].split()[-1] == "w99"
    for one, other in pairwise(pieces):
        assert set(one.split()) & set(other.split())


def test_later_passages_start_with_the_headline() -> None:
    pieces = cut("About hoses\n" + LONG, LongDocumentMode.MAX_PASSAGE, 20)
    assert all(piece.startswith("About hoses\n") for piece in pieces)
    assert max(len(words(piece)) for piece in pieces) <= 20


def test_a_first_line_that_is_half_a_passage_is_no_headline() -> None:
    pieces = cut(" ".join(["long"] * 10) + "\n" + LONG, LongDocumentMode.MAX_PASSAGE, 20)
    assert not any(piece.startswith("long") for piece in pieces[1:])


def test_above_the_budget_the_passages_with_words_of_the_query_are_kept() -> None:
    about = " ".join(["noise"] * 50 + ["leaking", "hose"] + ["noise"] * 50)
    documents = [about, " ".join(["other"] * 100)]
    kept = passages(documents, "a leaking hose", Limits(LongDocumentMode.MAX_PASSAGE, 20, 60), words)
    assert [len(pieces) for pieces in kept] == [2, 1]
    assert "leaking hose" in kept[0][1]


def test_every_document_keeps_its_first_passage_whatever_the_budget() -> None:
    kept = passages([LONG] * 10, "q", Limits(LongDocumentMode.MAX_PASSAGE, 20, 20), words)
    assert [len(pieces) for pieces in kept] == [1] * 10


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hose", 2), ("garden hose", 4), ("水漏れ", 3), ("호스", 2), ("a, b!", 4), ("naïve", 2)],
)
def test_estimate(text: str, count: int) -> None:
    assert len(estimate(text)) == count


TEXTS = st.lists(
    st.sampled_from(
        ["a", "hose", "garden.", "leaking,", "水漏れを直す。", "\n\n", "\n", "supercalifragilistic", "é—", "! "]
    ),
    max_size=150,
).map(" ".join)


@given(
    TEXTS,
    st.integers(16, 64),
    st.sampled_from(LongDocumentMode),
    st.booleans(),
)
def test_no_passage_is_over_the_limit(text: str, limit: int, mode: LongDocumentMode, guessed: bool) -> None:
    tokens = estimate if guessed else words
    pieces = passages([text], "hose", Limits(mode, limit, 10_000), tokens)[0]
    assert all(len(tokens(piece)) <= limit for piece in pieces)
    assert mode == LongDocumentMode.MAX_PASSAGE or len(pieces) <= 1


@given(TEXTS, st.integers(16, 64), st.booleans())
def test_within_the_budget_no_token_is_lost(text: str, limit: int, guessed: bool) -> None:
    tokens = estimate if guessed else words
    text = " ".join(f"{word}{at}" for at, word in enumerate(text.split()))
    pieces = passages([text], "hose", Limits(LongDocumentMode.MAX_PASSAGE, limit, 10_000), tokens)[0]
    starts = [text.index(piece) for piece in pieces]
    spans = [(start, start + len(piece)) for start, piece in zip(starts, pieces, strict=True)]
    assert [one for one in tokens(text) if not any(start <= one[0] and one[1] <= end for start, end in spans)] == []


@given(
    st.text() | TEXTS,
    st.integers(1, 20),
    st.integers(1, 40),
    st.sampled_from(LongDocumentMode),
)
def test_no_text_is_an_error(text: str, limit: int, budget: int, mode: LongDocumentMode) -> None:
    pieces = passages([text], text, Limits(mode, limit, budget), estimate)[0]
    assert bool(pieces) is bool(text)
    assert all(piece in text or text.partition("\n")[0] in piece for piece in pieces)


def numbered(count: int, word: str = "w") -> str:
    return " ".join(f"{word}{number}" for number in range(count))


def test_short_documents_leave_most_of_the_budget_to_long_ones() -> None:
    # Each short document is 20 bytes, counted as 7 tokens: 100 of them take 700.
    short = ["four words and a bit"] * 100
    budget = Limits(LongDocumentMode.MAX_PASSAGE, 20, 1000)
    *others, pieces = passages([*short, numbered(200)], "w199", budget, words)
    assert others == [["four words and a bit"]] * 100
    assert len(pieces) == len(cut(numbered(200), LongDocumentMode.MAX_PASSAGE, 20)) > 10


@pytest.mark.parametrize(("budget", "count"), [(19, 1), (20, 1), (39, 1), (40, 2), (59, 2), (60, 3)])
def test_first_passages_and_later_ones_share_one_budget(budget: int, count: int) -> None:
    # Each passage counts as 20 tokens.
    assert len(passages([numbered(100)], "none", Limits(LongDocumentMode.MAX_PASSAGE, 20, budget), words)[0]) == count


def test_the_rarest_word_of_the_query_decides() -> None:
    common = [" ".join(["hose"] * 20 + ["hose"] * 20) for _ in range(3)]
    rare = " ".join(["noise"] * 20 + ["leak"] * 20)
    kept = passages([*common, rare], "hose leak", Limits(LongDocumentMode.MAX_PASSAGE, 20, 4 * 20 + 25), words)
    assert [len(pieces) for pieces in kept] == [1, 1, 1, 2]


def test_a_text_of_exactly_the_limit_is_one_passage() -> None:
    text = numbered(20)
    assert cut(text, LongDocumentMode.MAX_PASSAGE, 20) == cut(text, LongDocumentMode.TRUNCATE, 20) == [text]
    assert len(cut(text, LongDocumentMode.MAX_PASSAGE, 19)) == 2


def test_a_text_within_the_limit_in_bytes_is_not_tokenized() -> None:
    def never(_text: str) -> Sequence[tuple[int, int]]:
        raise AssertionError

    assert passages(["a" * 20, "ü" * 10], "q", Limits(LongDocumentMode.TRUNCATE, 20, 100), never) == [
        ["a" * 20],
        ["ü" * 10],
    ]


def test_only_the_head_of_a_huge_text_is_tokenized() -> None:
    seen: list[int] = []

    def spy(text: str) -> Sequence[tuple[int, int]]:
        seen.append(len(text))
        return words(text)

    passages(["word " * 10_000], "q", Limits(LongDocumentMode.TRUNCATE, 20, 100), spy)
    passages(["word " * 10_000], "q", Limits(LongDocumentMode.MAX_PASSAGE, 20, 100), spy)
    assert seen == [20 * 12, 100 * 12]


def test_passages_overlap_by_fifteen_percent() -> None:
    first, second, *_ = cut(numbered(300), LongDocumentMode.MAX_PASSAGE, 100)
    assert len(set(first.split()) & set(second.split())) == 15
    assert len(second.split()) >= 99


@pytest.mark.parametrize(("count", "is_headline"), [(4, True), (5, False)])
def test_a_headline_takes_at_most_a_fifth_of_a_passage(count: int, is_headline: bool) -> None:
    line = numbered(count, "h")
    pieces = cut(line + "\n" + numbered(100), LongDocumentMode.MAX_PASSAGE, 20)
    assert [piece.startswith(line + "\n") for piece in pieces[1:]] == [is_headline] * (len(pieces) - 1)


def test_a_single_line_is_no_headline() -> None:
    assert not any(piece.startswith("w0 ") for piece in cut(numbered(100) + "\n", LongDocumentMode.MAX_PASSAGE, 20)[1:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aaaa bbbb. cccc dddd eeee ffff", "aaaa bbbb. cccc dddd eeee"),
        ("aaaa bbbb cccc dddd. eeee ffff", "aaaa bbbb cccc dddd."),
        ("aaaa bbbb cccc dddd\neeee ffff", "aaaa bbbb cccc dddd"),
    ],
)
def test_a_boundary_is_looked_for_in_the_last_quarter(text: str, expected: str) -> None:
    assert cut(text, LongDocumentMode.TRUNCATE, 5) == [expected]


def test_a_passage_ends_at_a_sentence_only_in_its_last_quarter() -> None:
    for sentence, end in ((7, "w009"), (8, "w007.")):
        words_of_text = [f"w{at:03}" + ("." if at == sentence - 1 else "") for at in range(30)]
        first, *_ = cut(" ".join(words_of_text), LongDocumentMode.MAX_PASSAGE, 10)
        assert first.split()[-1] == end
