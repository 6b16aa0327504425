from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from es_rerank.evaluation.measures import Cutoffs
from es_rerank.evaluation.report import report
from es_rerank.evaluation.summary import summarize
from es_rerank.evaluation.values import Comparison, FoundHit, Query, SearchRecord
from es_rerank.evaluation.wording import Setup

from .builders import comparison

SETUP = Setup("docs", "http://e", "http://e", same=True, template="t.json", cutoffs=Cutoffs(k=3), size=50)
EVIL = '<script>alert("x")</script> & $title ${measure}'


def losses(count: int) -> list[Comparison]:
    return [comparison(f"loss {at}", {"a": 1.0}, ["a", "b"], ["b", "a"], lang="en") for at in range(count)]


def page(comparisons: list[Comparison], by: str | None = None) -> str:
    return report(summarize(comparisons, Cutoffs(k=3), by), SETUP)


class Tags(HTMLParser):
    """Collects the tags of a page, and checks that they are nested."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def whole() -> str:
    worst = comparison("worst", {"a": 2.0}, ["a", "b", "c"], ["b", "c", "x", "a"], lang="de")
    win = comparison("win", {"a": 1.0}, ["b", "a"], ["a", "b"], lang="en")
    return page([*losses(2), win, worst], "lang")


def test_the_page_has_no_outside_assets_and_no_scripts(whole: str) -> None:
    tags = Tags()
    tags.feed(whole)
    assert tags.open == []
    assert {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object", "a"} == set()
    assert [attrs for _, attrs in tags.seen if {"src", "href", "xlink:href"} & set(attrs)] == []
    assert re.findall(r"@import|url\(", whole) == []
    assert sum(tag == "svg" for tag, _ in tags.seen) == 3
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags.seen


def test_the_worst_loss_comes_first_with_the_documents_of_both_sides(whole: str) -> None:
    articles = re.findall(r"<article>.*?</article>", whole, re.DOTALL)
    assert [re.search(r"<h3 dir='auto'>(.*?)</h3>", one)[1] for one in articles] == [
        "text of worst",
        "text of loss 0",
        "text of loss 1",
        "text of win",
    ]
    before, after = articles[0].split("<p class='soft'>endpoint</p>")
    assert re.findall(r"title='rating'>(.*?)</span> <bdi>(.*?)</bdi></li>", before) == [
        ("2", "Title of a"),
        ("?", "Title of b"),
        ("?", "Title of c"),
    ]
    assert re.findall(r"title='rating'>(.*?)</span>", after) == ["?"] * 3
    assert articles[0].count("rating relevant") == 1
    assert "1.000 → 0.000 <span class='worse'>(-1.000)</span>" in articles[0]
    assert "<span class='better'>(+0.369)</span>" in articles[3]


def test_the_page_has_the_measures_the_groups_and_the_times(whole: str) -> None:
    for cell in ("nDCG@3", "Success@1", "Recall@50", "Judged@3", "en (3)", "de (1)", "p50", "p99", "10 ms", "50 ms"):
        assert f"<td>{cell}</td>" in whole
    assert "nDCG@3 falls from" in whole
    assert "by group" not in page(losses(1))


def test_each_window_has_a_row_and_a_dot() -> None:
    one = comparison("q", {"a": 1.0}, ["b", "a"], ["a", "b"])
    whole = page([replace(one, windows={10: one.endpoint, 20: one.baseline})])
    assert "<h2>nDCG@3 by window</h2>" in whole
    assert "<td>10</td><td>0.631</td><td>1.000</td><td>+0.369</td>" in whole
    assert "<td>20</td><td>0.631</td><td>0.631</td><td>+0.000</td>" in whole
    assert whole.count("<title>1.000: window 10</title>") == 1
    assert "by window" not in page([one])


def test_without_losses_or_wins_the_page_says_so() -> None:
    text = page([comparison("q", {"a": 1.0}, ["a"], ["a"])])
    assert "No query is worse." in text
    assert "No query is better." in text
    assert "<p>no hits</p>" in page([comparison("q", {"a": 1.0}, ["a"], [])])


def test_only_the_first_queries_are_shown() -> None:
    text = page(losses(30))
    assert text.count("<article>") == 25
    assert "More in the JSON output: 5." in text


def test_texts_are_escaped() -> None:
    record = SearchRecord((FoundHit(EVIL, EVIL), FoundHit("a", "")), 0.1, EVIL)
    one = Comparison(Query(EVIL, EVIL, {"lang": EVIL}), {"a": 1.0}, SearchRecord((FoundHit("a"),), 0.1), record)
    text = page([one], "lang")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "$title ${measure}" in text
