from __future__ import annotations

import json
from pathlib import Path

import pytest

from es_rerank.evaluation.journal import Journal, Searches
from es_rerank.evaluation.source import InputError
from es_rerank.evaluation.values import Query, Side

from .builders import record

CONDITIONS = {"endpoint": "http://a", "size": 50, "template": {"query": {}}}
ONE, TWO = Query("1", "tea", {"lang": "en"}), Query("2", "thé")
SIDES = {Side.BASELINE: record(["a", "b"], 0.5, ""), Side.ENDPOINT: record(["b", "a"], 1.5)}
SEARCHES = Searches(SIDES, {20: record(["b"], 0.2)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with the searches for one query."""
    found = tmp_path / "searches.jsonl"
    with Journal(CONDITIONS, found).writer() as writer:
        writer.add(ONE, SEARCHES)
    return found


def test_searches_are_found_again(path: Path) -> None:
    journal = Journal(CONDITIONS, path)
    assert journal.get(ONE) == SEARCHES
    assert journal.get(TWO) is None
    with journal.writer() as writer:
        writer.add(TWO, SEARCHES)
    assert journal.get(TWO) == SEARCHES
    assert Journal(CONDITIONS, path).get(TWO) == SEARCHES
    assert len(path.read_text().splitlines()) == 3


def test_each_search_is_in_the_file_as_soon_as_it_is_added(path: Path) -> None:
    with Journal(CONDITIONS, path).writer() as writer:
        writer.add(TWO, SEARCHES)
        assert Journal(CONDITIONS, path).get(TWO) == SEARCHES


def test_a_query_whose_text_or_fields_changed_is_searched_again(path: Path) -> None:
    journal = Journal(CONDITIONS, path)
    assert journal.get(Query("1", "coffee", {"lang": "en"})) is None
    assert journal.get(Query("1", "tea", {"lang": "de"})) is None


@pytest.mark.parametrize("cut", [1, 5, 200])
def test_a_line_that_was_cut_off_is_removed(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    with Journal(CONDITIONS, path).writer() as writer:
        writer.add(TWO, SEARCHES)
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal(CONDITIONS, path)
    assert (journal.get(ONE), journal.get(TWO)) == (SEARCHES, None)
    with journal.writer():
        assert path.read_bytes() == whole
    assert Journal(CONDITIONS, path).get(ONE) == SEARCHES


@pytest.mark.parametrize("name", CONDITIONS)
def test_searches_made_under_other_conditions_are_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"searches\.jsonl:1: {name}: the file was written with another value"):
        Journal({**CONDITIONS, name: "other"}, path)


@pytest.mark.parametrize("line", [{"query": {"id": "1"}}, {"query": 1, "baseline": 2, "endpoint": 3}, {}])
def test_another_file_is_refused(path: Path, line: object) -> None:
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    with pytest.raises(InputError, match="3: is not a search of an evaluation"):
        Journal(CONDITIONS, path)


def test_without_a_path_searches_are_kept_in_memory() -> None:
    journal = Journal(CONDITIONS)
    with journal.writer() as writer:
        writer.add(ONE, SEARCHES)
    assert journal.get(ONE) == SEARCHES


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    journal = Journal(CONDITIONS, tmp_path / "none" / "f")
    with pytest.raises(InputError, match="cannot be written"), journal.writer():
        pytest.fail("the file cannot be open")
