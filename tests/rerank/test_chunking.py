from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import LongDocumentMode
from es_rerank.rerank.chunking import Cut, Limits, Piece, cut, cut_at
from es_rerank.rerank.profiles import PROFILES
from es_rerank.rerank.token_rates import LARGE_VOCABULARY, Tokens

TRUNCATE, MAX_PASSAGE = LongDocumentMode.TRUNCATE, LongDocumentMode.MAX_PASSAGE


def words(text: str) -> Tokens:
    """Take each word for a token."""
    count = max(1, len(text.split()))
    return Tokens(count, count)


def quarters(text: str) -> Tokens:
    """Take four characters for a token, and at most two."""
    return Tokens(len(text) // 4 + 1, len(text) // 2 + 1)


def limits(mode: LongDocumentMode, limit: int, context: int | None = None, search: int = 10_000) -> Limits:
    return Limits(mode, limit, search, context or 10 * limit)


def texts(text: str, mode: LongDocumentMode, limit: int, **more: int) -> list[str]:
    found = cut(text, limits(mode, limit, **more), words)
    return [found.text(text, number) for number in range(len(found.pieces))]


def numbered(count: int, word: str = "w") -> str:
    return " ".join(f"{word}{number}" for number in range(count))


LONG = numbered(100)


def end_of_words(text: str, count: int) -> int:
    return [match.end() for match in re.finditer(r"\S+", text)][count - 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three four. five six seven", "one two three four."),
        ("one two three\n\nfour five. six seven", "one two three\n\nfour five."),
        ("one two three four\n\nix, six seven", "one two three four"),
        ("one two three, four-five six seven", "one two three, four-five six"),
        ("one two three four five six seven", "one two three four five"),
        ("aaaa bbbb. cccc dddd eeee ffff", "aaaa bbbb. cccc dddd eeee"),
        ("aaaa bbbb cccc dddd. eeee ffff", "aaaa bbbb cccc dddd."),
        ("aaaa bbbb cccc dddd\neeee ffff", "aaaa bbbb cccc dddd"),
    ],
)
def test_truncation_ends_on_the_best_boundary_in_the_last_quarter(text: str, expected: str) -> None:
    found = cut_at(text, end_of_words(text, 5), limits(TRUNCATE, 5))
    assert [found.text(text, number) for number in range(len(found.pieces))] == [expected]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("aaaa bbbb cccc. dddd eeee", 15),
        ("aaaaaaaaaaaaaaa bbbbbbbbb", 15),
        ("aaaaaaaaaaaaaa,bbbbbbbbbb", 15),
        ("aaaaaaaaaaaaaa bbbbbbbbbb", 20),
        ("aaaaaaaaaaaaa,bbbbbbbbbbb", 20),
    ],
)
def test_the_last_quarter_includes_its_start(text: str, end: int) -> None:
    assert cut_at(text, 20, limits(TRUNCATE, 4)).pieces[0].end == end


def test_a_document_that_fits_is_read_whole() -> None:
    assert cut_at("one two", None, limits(TRUNCATE, 5)) == Cut((Piece(0, 7, 5),))
    assert cut(LONG, limits(TRUNCATE, 100), words) == Cut((Piece(0, len(LONG), 100),))
    assert cut(LONG, limits(MAX_PASSAGE, 100), words) == Cut((Piece(0, len(LONG), 100),))


def test_a_document_of_one_token_more_is_cut() -> None:
    assert len(texts(LONG, MAX_PASSAGE, 99)) == 2
    (first,) = texts(LONG, TRUNCATE, 99)
    assert LONG.startswith(first)
    assert 80 <= words(first).estimate < 100


def test_a_document_that_fits_by_the_estimate_but_not_by_the_bound_is_cut() -> None:
    text = "a" * 200
    assert len(cut(text, limits(TRUNCATE, 51, context=101), quarters).pieces[0:1]) == 1
    assert cut(text, limits(TRUNCATE, 51, context=101), quarters).pieces[0].end == 200
    assert cut(text, limits(TRUNCATE, 51, context=100), quarters).pieces[0].end < 200


def test_a_passage_fits_the_context_even_if_no_measured_length_did() -> None:
    def without_spaces(text: str) -> Tokens:
        size = len("".join(text.split()).encode())
        return Tokens(size // 2 + 1, size)

    text = "😀" * 2 + " " * 100 + "hose"
    (piece,) = cut(text, limits(TRUNCATE, 4, context=7), without_spaces).pieces
    assert without_spaces(text[: piece.end]).most <= 7


@pytest.mark.parametrize(("length", "is_measured"), [(600, True), (601, False)])
def test_a_text_of_more_than_six_characters_per_token_is_not_measured_whole(length: int, is_measured: bool) -> None:
    measured = []

    def measure(text: str) -> Tokens:
        measured.append(len(text))
        return quarters(text)

    cut("a" * length, limits(TRUNCATE, 100), measure)
    assert (length in measured) is is_measured


@pytest.mark.parametrize("mode", LongDocumentMode)
def test_the_blank_start_of_a_document_is_one_short_passage(mode: LongDocumentMode) -> None:
    assert cut("\n" * 5000, limits(mode, 100), LARGE_VOCABULARY.measure) == Cut((Piece(0, 1, 1),))


def test_passages_overlap_and_cover_the_whole_text() -> None:
    pieces = texts(LONG, MAX_PASSAGE, 20)
    assert pieces[0].split()[0] == "w0"
    assert pieces[-1].split()[-1] == "w99"
    for one, other in pairwise(pieces):
        assert set(one.split()) & set(other.split())


@pytest.mark.parametrize("gap", [" ", "  ", " \n ", "\n\n  \t"])
def test_later_passages_start_at_the_start_of_a_word(gap: str) -> None:
    text = gap.join(f"w{number}" for number in range(100))
    found = cut(text, limits(MAX_PASSAGE, 20), words)
    assert len(found.pieces) > 4
    for piece in found.pieces[1:]:
        assert text[piece.start - 1].isspace()
        assert text[piece.start] == "w"


def test_passages_overlap_by_about_fifteen_percent() -> None:
    first, second, *_ = texts(numbered(300), MAX_PASSAGE, 100)
    assert 10 <= len(set(first.split()) & set(second.split())) <= 16


def test_passages_are_hardly_shorter_than_the_limit() -> None:
    *full, _ = cut(numbered(1000), limits(MAX_PASSAGE, 100), words).pieces
    assert min(piece.tokens for piece in full) >= 85


def test_later_passages_start_with_the_headline() -> None:
    pieces = texts("About hoses\n" + LONG, MAX_PASSAGE, 20)
    assert len(pieces) > 4
    assert all(piece.startswith("About hoses\n") for piece in pieces)
    assert max(words(piece).estimate for piece in pieces) <= 20


@pytest.mark.parametrize(("count", "is_headline"), [(4, True), (5, False)])
def test_a_headline_takes_at_most_a_fifth_of_a_passage(count: int, is_headline: bool) -> None:
    line = numbered(count, "h")
    pieces = texts(line + "\n" + numbered(100), MAX_PASSAGE, 20)
    assert [piece.startswith(line + "\n") for piece in pieces[1:]] == [is_headline] * (len(pieces) - 1)


def test_a_single_line_is_no_headline() -> None:
    assert not any(piece.startswith("w0 ") for piece in texts(numbered(100) + "\n", MAX_PASSAGE, 20)[1:])


def test_a_truncated_document_repeats_no_headline() -> None:
    assert cut("About hoses\n" + LONG, limits(TRUNCATE, 20), words).headline == 0


def test_a_document_has_no_more_passages_than_the_budget_of_a_search() -> None:
    assert len(cut(numbered(1000), limits(MAX_PASSAGE, 20, search=100), words).pieces) <= 6


@pytest.mark.parametrize(
    ("mode", "limit", "context", "near"),
    [
        (TRUNCATE, 1024, 2048, False),
        (TRUNCATE, 200, 300, False),
        (TRUNCATE, 201, 300, True),
        (TRUNCATE, 504, 504, True),
        (MAX_PASSAGE, 504, 504, False),
    ],
)
def test_only_truncation_near_the_context_needs_exact_counts(
    mode: LongDocumentMode, limit: int, context: int, near: bool
) -> None:
    assert limits(mode, limit, context).near_context is near


def test_passages_of_a_document_near_the_context_are_shorter() -> None:
    assert limits(MAX_PASSAGE, 504, 504).passage_tokens == 336
    assert limits(MAX_PASSAGE, 256, 504).passage_tokens == 256


def test_special_tokens_of_a_whole_document_may_be_escaped() -> None:
    assert limits(TRUNCATE, 100, context=100).whole_bytes == 75
    assert limits(TRUNCATE, 100, context=200).whole_bytes == 150


def test_a_document_of_three_bytes_per_token_is_read_whole_if_the_context_is_large() -> None:
    assert limits(TRUNCATE, 100, context=400).whole_bytes == limits(MAX_PASSAGE, 100, context=500).whole_bytes == 300


TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "hose",
            "garden.",
            "leaking,",
            "水漏れを直す。",
            "\n\n",
            "\n",
            "supercalifragilistic",
            "é—",
            "! ",
            "😀" * 9,
        ]
    ),
    max_size=150,
).map(" ".join)
MEASURES = st.sampled_from([words, quarters, LARGE_VOCABULARY.measure, PROFILES["minilm"].rates.measure])


@given(
    TEXTS | st.text(min_size=1), st.integers(8, 64), st.integers(8, 100), st.sampled_from(LongDocumentMode), st.data()
)
def test_no_passage_exceeds_the_context_and_no_text_is_invented(
    text: str, limit: int, context: int, mode: LongDocumentMode, data: st.DataObject
) -> None:
    measure = data.draw(st.sampled_from([words, quarters]))
    found = cut(text or "a", limits(mode, min(limit, context), context), measure)
    assert found.pieces
    assert mode is MAX_PASSAGE or len(found.pieces) == 1
    for number, piece in enumerate(found.pieces):
        before = measure((text or "a")[: found.headline]).most if found.headline and number else 0
        assert before + measure((text or "a")[piece.start : piece.end]).most <= context
        assert piece.start < piece.end <= len(text or "a")
    assert all(one.start < other.start for one, other in pairwise(found.pieces))


@given(TEXTS, st.integers(8, 64), MEASURES)
def test_no_character_is_lost(text: str, limit: int, measure: object) -> None:
    text = text.strip() or "a"
    pieces = cut(text, limits(MAX_PASSAGE, limit), measure).pieces  # type: ignore[arg-type]
    assert pieces[0].start == 0
    assert pieces[-1].end == len(text)
    for one, other in pairwise(pieces):
        assert not text[one.end : other.start].strip()
