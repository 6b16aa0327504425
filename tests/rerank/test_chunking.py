from __future__ import annotations

import re
from collections.abc import Callable
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


def recorded(tokens: float, most: float | None = None) -> tuple[list[int], Callable[[str], Tokens]]:
    """Return a measure with these numbers of tokens per character, and the list of the lengths that it has measured."""
    lengths: list[int] = []

    def measure(text: str) -> Tokens:
        lengths.append(len(text))
        return Tokens(max(1, round(len(text) * tokens)), max(1, round(len(text) * (most or tokens))))

    return lengths, measure


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
        ("aaaaaaaaaaaaaa\nbbbbbbbbbb", 20),
        ("aaaaaaaaaaaaaaa\nbbbbbbbbb", 15),
        ("aaaaaaaaaaaaaaa\nbb cccccc", 15),
        ("aaaaaaaaaaaaaaa\n\nbbbbbbbb", 15),
    ],
)
def test_the_last_quarter_includes_its_start(text: str, end: int) -> None:
    assert cut_at(text, 20, limits(TRUNCATE, 4)).pieces[0].end == end


@pytest.mark.parametrize(
    ("text", "end"),
    [
        # The character after the passage counts too.
        ("aaaaaaaaaaaaaaaaa bb\nccc", 20),
        ("aaaaaaaaaaaaaaaa\nbbb\nccc", 20),
        ("aaaaaaaaaaaaaaaaaaa\n\nccc", 19),
        ("aaaaaaaaaaaaaaaaa\nbb ccc", 17),
        ("aaaaaaaaaaaaaaaaaaa. ccc", 20),
        ("aaaaaaaaaaaaaaaa, bb,ccc", 20),
        # Of two equal boundaries, the last one.
        ("aaaaaaaaaaaaaaa\n\nb\n\nccc", 18),
        ("aaaaaaaaaaaaaa. b. ccccccc", 18),
        ("aaaaaaaaaaaaaaaa b ccccccc", 18),
        ("aaaaaaaaaaaaaaa. bbb\nccc", 20),
        ("aaaaaaaaaaaaaaaaaaa\n", 19),
        # A sentence that ends after a line break, before it, and at it.
        ("aaaaaaaaaaaaaaa\nb. cccccc", 18),
        ("aaaaaaaaaaaaaa. bb\ncccccc", 18),
        ("aaaaaaaaaaaaaaaaa.\ncccccc", 18),
        # Only white space before the empty line.
        ("                \n\nccccccc", 17),
        # Punctuation stays with its word, but white space does not.
        ("aaaaaaaaaaaaaaaa,bbbbbbbbb", 17),
        ("aaaaaaaaaaaaaaaa bbbbbbbbb", 16),
        ("水" * 17 + "。" + "水" * 7, 18),
        ("水" * 17 + "、" + "水" * 7, 18),
        # Neither a decimal point nor one inside a name ends a sentence.
        ("aaaaaaaaaaaaaaaa.bbbbbbbb", 20),
        # The text ends with the passage.
        ("aaaaaaaaaaaaaaaaaa b", 18),
        ("aaaaaaaaaaaaaaaaaaaa", 20),
    ],
)
def test_the_boundary_of_a_passage_of_twenty_characters(text: str, end: int) -> None:
    assert cut_at(text, 20, limits(TRUNCATE, 4)).pieces == (Piece(0, end, 4),)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        # Later passages start after the first white space in the last 15 % of the passage before.
        ("a" * 33 + " bb " + "c" * 25, [(0, 36), (34, 62)]),
        ("a" * 30 + " bbbb " + "c" * 26, [(0, 35), (31, 62)]),
        ("a" * 28 + " bbbbbb " + "c" * 26, [(0, 35), (30, 62)]),
        # No white space: they overlap by 15 %.
        ("a" * 60, [(0, 40), (34, 60)]),
        # The end of a sentence before the last quarter of the second passage does not count.
        ("a" * 40 + "b" * 20 + ". " + "c" * 30, [(0, 40), (34, 74), (68, 92)]),
        # The overlap of a passage of one character would be the passage itself.
        ("a b", [(0, 1), (2, 3)]),
    ],
)
def test_the_start_of_the_next_passage(text: str, pieces: list[tuple[int, int]]) -> None:
    limit = 1 if len(text) < 10 else 10
    _, measure = recorded(1.0 if limit == 1 else 0.25)
    assert [piece[:2] for piece in cut(text, limits(MAX_PASSAGE, limit), measure).pieces] == pieces


def test_a_document_that_fits_is_read_whole() -> None:
    assert cut_at("one two", None, limits(TRUNCATE, 5)) == Cut((Piece(0, 7, 5),))
    assert cut(LONG, limits(TRUNCATE, 100), words) == Cut((Piece(0, len(LONG), 100),))
    assert cut(LONG, limits(MAX_PASSAGE, 100), words) == Cut((Piece(0, len(LONG), 100),))
    with_headline = "About hoses\n" + numbered(18)
    assert cut(with_headline, limits(MAX_PASSAGE, 20), words) == Cut((Piece(0, len(with_headline), 20),))


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


@pytest.mark.parametrize(
    ("tokens", "lengths", "piece"),
    [
        # The first attempt is four characters per token. It is kept if it fills 85 % of the passage.
        (0.25, [80], Piece(0, 80, 20)),
        (0.2125, [80], Piece(0, 80, 17)),
        # Otherwise the second attempt aims at 97 %.
        (0.2, [80, 97], Piece(0, 97, 19)),
        (0.1, [80, 194], Piece(0, 194, 19)),
        # A text that is too long is cut in proportion, without another attempt.
        (0.2625, [80], Piece(0, 76, 20)),
        (1.0, [80], Piece(0, 20, 20)),
        (40.0, [80], Piece(0, 1, 20)),
    ],
)
def test_a_passage_is_found_with_few_estimates(tokens: float, lengths: list[int], piece: Piece) -> None:
    measured, measure = recorded(tokens)
    assert cut("a" * 1000, limits(TRUNCATE, 20, context=3200), measure) == Cut((piece,))
    assert measured == lengths


@pytest.mark.parametrize(
    ("context", "lengths", "piece"),
    [
        # In this context, the estimate of a passage is at most 13 tokens.
        (20, [52, 9], Piece(0, 9, 9)),
        (159, [80, 19], Piece(0, 19, 19)),
        (160, [80], Piece(0, 20, 20)),
    ],
)
def test_a_passage_is_shortened_until_its_bound_fits_the_context(
    context: int, lengths: list[int], piece: Piece
) -> None:
    measured, measure = recorded(1.0, most=2.0)
    found = cut("a" * 1000, limits(TRUNCATE, 20, context=context), measure)
    assert (found, measured) == (Cut((piece,)), lengths)


@pytest.mark.parametrize(
    ("text", "limit", "context", "end"),
    [("a" * 1000, 20, 30, 5), ("a" * 1000, 20, 16, 2), ("a" * 1000, 20, 3, 1), ("aaa", 40, 60, 3)],
)
def test_a_quarter_of_a_character_per_token_fits_if_four_estimates_find_nothing(
    text: str, limit: int, context: int, end: int
) -> None:
    lengths = []

    def measure(part: str) -> Tokens:
        lengths.append(len(part))
        return Tokens(1, 1000)

    assert cut(text, limits(TRUNCATE, limit, context=context), measure) == Cut((Piece(0, end, 1),))
    assert len(lengths) - (len(text) <= 6 * limit) == 4 + 1
    assert min(lengths) >= 1


def test_the_exact_passages_of_a_text() -> None:
    assert cut(numbered(60), limits(MAX_PASSAGE, 20), words) == Cut(
        (Piece(0, 69, 20), Piece(62, 129, 18), Piece(122, 189, 18), Piece(182, 229, 12))
    )


def test_the_tokens_of_later_passages_include_the_headline() -> None:
    found = cut("About hoses\n" + numbered(60), limits(MAX_PASSAGE, 20), words)
    assert found == Cut((Piece(0, 69, 20), Piece(62, 133, 20), Piece(126, 197, 20), Piece(190, 241, 15)), headline=12)


def test_the_exact_passages_of_a_text_without_spaces() -> None:
    _, measure = recorded(0.25, most=1.0)
    found = cut("a" * 1000, limits(MAX_PASSAGE, 100, search=250), measure)
    assert found == Cut((Piece(0, 400, 100), Piece(340, 740, 100), Piece(680, 1000, 80)))


def test_the_rest_of_a_text_is_measured_once() -> None:
    measured, measure = recorded(0.25)
    found = cut("a" * 90, limits(MAX_PASSAGE, 10), measure)
    assert found == Cut((Piece(0, 40, 10), Piece(34, 74, 10), Piece(68, 90, 6)))
    assert measured == [40, 40, 22]


def test_a_later_passage_has_the_whole_context_without_a_headline() -> None:
    def measure(text: str) -> Tokens:
        return Tokens(1, len(text) + text.count("b"))

    # The second passage has 16 characters at first, and then 97 % of the characters that fit 30 tokens.
    first, second, *_ = cut("b" * 14 + "a" * 500, limits(MAX_PASSAGE, 45, context=30), measure).pieces
    assert (first, second) == (Piece(0, 16, 1), Piece(14, 43, 1))


def test_the_bound_of_the_headline_is_taken_from_the_context_of_later_passages() -> None:
    def measure(text: str) -> Tokens:
        return Tokens(1, len(text))

    # 30 tokens without the headline of 4, which fits a fifth of a passage of 20: the passages end after 30 and 26.
    first, second, *_ = cut("abc\n" + "a" * 500, limits(MAX_PASSAGE, 45, context=30), measure).pieces
    assert (first, second) == (Piece(0, 29, 1), Piece(25, 50, 2))


@pytest.mark.parametrize(("budget", "count"), [(20, 1), (21, 2), (38, 2), (39, 3), (56, 3), (57, 4)])
def test_passages_are_cut_until_the_budget_of_a_search_is_used(budget: int, count: int) -> None:
    assert len(cut(numbered(60), limits(MAX_PASSAGE, 20, search=budget), words).pieces) == count


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("h" + " " * 238 + "\n" + LONG, 240),
        ("h" + " " * 239 + "\n" + LONG, 0),
        ("h" + " " * 200 + "\n", 0),
        ("h" + " " * 200 + "\nw", 202),
        ("\n" + LONG, 1),
        (LONG, 0),
    ],
)
def test_a_headline_is_a_first_line_of_at_most_twelve_characters_per_token_before_more_text(
    text: str, headline: int
) -> None:
    assert cut(text, limits(MAX_PASSAGE, 20), words).headline == headline


@pytest.mark.parametrize(
    ("mode", "limit", "context", "sizes"),
    [
        (TRUNCATE, 100, 1000, (100, 300, 1200)),
        (MAX_PASSAGE, 100, 1000, (100, 300, 6000)),
        (MAX_PASSAGE, 100, 150, (100, 112, 6000)),
        (MAX_PASSAGE, 100, 149, (99, 111, 6000)),
        (TRUNCATE, 1, 1, (1, 0, 12)),
    ],
)
def test_sizes_that_follow_from_the_limits(
    mode: LongDocumentMode, limit: int, context: int, sizes: tuple[int, int, int]
) -> None:
    found = limits(mode, limit, context, search=500)
    assert (found.passage_tokens, found.whole_bytes, found.readable_characters) == sizes


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
