from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from es_rerank.evaluation.tuning.passage_variants import BASE, Documents, documents, is_whole, variants
from es_rerank.model import LongDocumentMode, LongDocuments, Rule
from es_rerank.rerank.chunking import Limits, cut
from es_rerank.rerank.profiles import PROFILES

RULE = Rule("docs")
E5 = PROFILES["e5"]
SHORT = Documents(("title", "body"), longest=90)


def names(rule: Rule, seen: Documents, *wanted: tuple[str, ...]) -> list[str]:
    return [one.name for one in variants(rule, E5, seen, wanted)]


def test_what_is_read_with_the_current_rule() -> None:
    found = documents([(("title", "body"), ["a", None]), (("body",), ["é" * 5, "a"]), ((), [])])
    assert (found.fields, found.longest) == (["body", "title"], 10)


def test_fields_with_labels_and_single_fields_are_compared() -> None:
    found = variants(RULE, E5, SHORT)
    assert [one.name for one in found] == [BASE, "title, body with labels", "only title", "only body"]
    assert found[1].template == "title: {title}\nbody: {body}\n"
    assert found[1].applied(RULE, 9) == replace(RULE, fields=("title", "body"), template=found[1].template, window=9)
    assert names(RULE, Documents(("body",), 90)) == [BASE]


def test_the_fields_of_a_rule_are_compared_with_those_that_the_hits_decide_on() -> None:
    assert names(replace(RULE, fields=("body",), template="{body}"), Documents(("body",), 90)) == [
        BASE,
        "fields by the hits",
    ]
    assert names(replace(RULE, fields=("title",)), SHORT) == [
        BASE,
        "fields by the hits",
        "title, body with labels",
        "only body",
    ]


def test_given_fields_replace_those_of_the_documents() -> None:
    assert names(RULE, SHORT, ("body", "tags"), ("title",)) == [BASE, "body, tags", "title"]


def test_long_documents_are_compared_only_where_it_makes_a_difference() -> None:
    one_field = Documents(("body",), 0)
    assert names(RULE, replace(one_field, longest=128 * 3)) == [BASE]
    assert names(RULE, replace(one_field, longest=128 * 3 + 1)) == [
        BASE,
        "truncate, 128 tokens",
        "max_passage, 128 tokens",
    ]
    assert names(RULE, replace(one_field, longest=5000)) == [
        BASE,
        "truncate, 128 tokens",
        "truncate, 256 tokens",
        "truncate, 504 tokens",
        "max_passage, 128 tokens",
        "max_passage, 504 tokens",
    ]


def test_the_long_documents_of_the_rule_are_the_base() -> None:
    long = LongDocuments(LongDocumentMode.TRUNCATE, 100, 9999)
    found = variants(replace(RULE, long=long), E5, Documents(("body",), 5000))
    assert found[0].long == long
    assert [one.name for one in found[1:]] == [
        "truncate, 50 tokens",
        "truncate, 200 tokens",
        "max_passage, 50 tokens",
        "max_passage, 100 tokens",
        "max_passage, 200 tokens",
    ]
    assert {one.long.max_search_tokens for one in found} == {9999}


@given(st.text(alphabet=st.sampled_from("ab \n.é漢🙂Z9"), max_size=1200), st.sampled_from((16, 64, 128)), st.booleans())
def test_a_whole_text_is_one_passage_whatever_the_mode(text: str, size: int, short_context: bool) -> None:
    for mode in LongDocumentMode:
        limits = Limits(mode, size, 65536, size if short_context else 4 * size)
        if text and is_whole(text, limits, E5.rates.measure):
            assert cut(text, limits, E5.rates.measure).text(text, 0) == text
