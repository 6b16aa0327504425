from __future__ import annotations

from typing import Any

import pytest

from es_rerank.model import PipelineEffect
from es_rerank.search.pipelines import chosen_pipeline, default_pipelines, effect_of, is_verbose
from tests.search.builders import a_search

NONE, PER_HIT, PAGE = PipelineEffect.NONE, PipelineEffect.PER_HIT, PipelineEffect.PAGE
INLINE = {"response_processors": [{"truncate_hits": {"target_size": 3}}]}


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, None),
        ({"search_pipeline": "a"}, {"search_pipeline": "b"}, "a"),
        ({}, {"search_pipeline": "b"}, "b"),
        ({}, {"search_pipeline": "_none"}, "_none"),
        ({"search_pipeline": "a"}, {"search_pipeline": INLINE}, INLINE),
        ({}, {"search_pipeline": 3}, None),
    ],
)
def test_a_search_chooses_its_pipeline(params: dict[str, str], body: dict[str, Any], expected: Any) -> None:
    assert chosen_pipeline(a_search(body, params)) == expected


@pytest.mark.parametrize(
    ("params", "body", "expected"),
    [
        ({}, {}, False),
        ({"verbose_pipeline": "true"}, {}, True),
        ({"verbose_pipeline": ""}, {}, True),
        ({"verbose_pipeline": "false"}, {"verbose_pipeline": True}, False),
        ({}, {"verbose_pipeline": True}, True),
        ({}, {"verbose_pipeline": False}, False),
    ],
)
def test_a_verbose_response_shows_what_each_processor_did(
    params: dict[str, str], body: dict[str, Any], expected: bool
) -> None:
    assert is_verbose(a_search(body, params)) is expected


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, NONE),
        ({"description": "none", "version": 3, "request_processors": []}, NONE),
        ({"request_processors": [{"filter_query": {"query": {}}}]}, NONE),
        ({"phase_results_processors": [{"normalization-processor": {}}]}, NONE),
        ({"response_processors": [{"rename_field": {}}, {"sort": {}}, {"split": {}}]}, PER_HIT),
        ({"request_processors": [{"script": {}}]}, PAGE),
        ({"request_processors": [{"oversample": {}}], "response_processors": [{"truncate_hits": {}}]}, PAGE),
        *(
            ({"response_processors": [{"split": {}}, {name: {}}]}, PAGE)
            for name in ("truncate_hits", "collapse", "rerank", "personalize_search_ranking", "filter_query", "new")
        ),
        ({"request_processors": [{"rename_field": {}}]}, PAGE),
        ({"request_processors": [{"filter_query": {}, "script": {}}]}, PAGE),
        ({"request_processors": ["filter_query"]}, PAGE),
        ({"request_processors": [{}]}, PAGE),
        ({"response_processors": [{"split": {}, "sort": {}}]}, PAGE),
        ({"response_processors": [{"split": {}}, {"sort": {}}, {"truncate_hits": {}}]}, PAGE),
        ({"request_processors": {"filter_query": {}}}, PAGE),
        ({"post_processors": [{"filter_query": {}}]}, PAGE),
        ([], PAGE),
    ],
)
def test_the_processors_say_how_a_pipeline_depends_on_the_page(definition: Any, expected: PipelineEffect) -> None:
    assert effect_of(definition) is expected


def test_each_index_may_have_a_default_pipeline() -> None:
    settings = (
        b'{"a":{"settings":{"index.search.default_pipeline":"x"}},"b":{"settings":{}},'
        b'"c":{"settings":{"index.search.default_pipeline":"_none"}}}'
    )
    assert default_pipelines(settings) == {"x"}
    assert default_pipelines(b"{}") == frozenset()
    with pytest.raises(ValueError, match="str"):
        default_pipelines(b'{"a":{"settings":{"n":3}}}')
