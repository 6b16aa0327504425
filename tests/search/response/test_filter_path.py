"""The expectations are the responses of Elasticsearch 8.19 and OpenSearch 3.6; if these differ, of Elasticsearch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.search.response.filter_path import Filter, cut, keeps, paths

ANSWER = (
    b'{"took":3,"hits":{"total":{"value":2,"relation":"eq"},"max_score":null,"hits":'
    b'[{"_id":"1","_score":1.50,"_source":{"title": "a, b", "n":123456789012345678901234567890}},'
    b'{"_id":"2","_score":1.0,"_source":{"tags":["x"],"a.b":1,"a":{"b":2}},"highlight":{"a.b":["<em>x</em>"]}}]}}'
)
NO_HITS = b'{"took":3,"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}'
ODD = (
    b'{"hits":{"hits":[{"_source":{"e":{},"n":[],"m":[{"x":1},{"z":2},{}],"g":[[{"y":1},{"w":2}],[]],'
    b'"s":[1,[2,{"x":3}]],"\\u00fcb":true,"q\\"t":false,"b\\\\s":"{[,]}","l\\nb":1.0}}]}}'
)
MULTI = (
    b'{"took":5,"responses":[{"took":2,"hits":{"hits":[{"_id":"1","_source":{"t":1}}]},"status":200},'
    b'{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}]}'
)
BUCKETS = (
    b'{"took":1,"aggregations":{"tag":{"doc_count":4,"buckets":[{"key":"x","doc_count":1}]},"mean":{"value":null}}}'
)
INDENTED = b"""{
  "took" : 3,
  "hits" : {
    "total" : {
      "value" : 1
    },
    "hits" : [
      {
        "_id" : "1",
        "_source" : {
          "tags" : [
            "x",
            "y"
          ],
          "e" : { },
          "n" : [ ]
        }
      }
    ]
  }
}
"""


def source(inner: bytes) -> bytes:
    return b'{"hits":{"hits":[{"_source":' + inner + b"}]}}"


def filtered(body: bytes, path: str) -> bytes | None:
    return cut(body, paths({"filter_path": path, "size": "3"}))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("took", b'{"took":3}'),
        ("hits.hits._id", b'{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'),
        ("hits.hits._source.title", b'{"hits":{"hits":[{"_source":{"title": "a, b"}}]}}'),
        ("hits.hits._s*.n", b'{"hits":{"hits":[{"_source":{"n":123456789012345678901234567890}}]}}'),
        ("hits.hits._score", b'{"hits":{"hits":[{"_score":1.50},{"_score":1.0}]}}'),
        ("took,hits.max_score", b'{"took":3,"hits":{"max_score":null}}'),
        ("hits.total,hits.total.value", b'{"hits":{"total":{"value":2,"relation":"eq"}}}'),
        ("*.total", b'{"hits":{"total":{"value":2,"relation":"eq"}}}'),
        ("h*s.t*l.v**e", b'{"hits":{"total":{"value":2}}}'),
        ("took.deeper", b"{}"),
        ("hits.hits.0._id", b"{}"),
        ("HITS", b"{}"),
        ("nothing", b"{}"),
        ("*", ANSWER),
        ("hits,took", ANSWER),
    ],
)
def test_included_values_keep_their_bytes(path: str, expected: bytes) -> None:
    assert filtered(ANSWER, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("**", ANSWER),
        ("**.tags", b'{"hits":{"hits":[{"_source":{"tags":["x"]}}]}}'),
        ("**.value,took", b'{"took":3,"hits":{"total":{"value":2}}}'),
        ("hits.**._id", b'{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'),
        ("**.**.value", b'{"hits":{"total":{"value":2}}}'),
        ("**.took", b"{}"),
        ("**.hits.*.title", b'{"hits":{"hits":[{"_source":{"title": "a, b"}}]}}'),
    ],
)
def test_two_asterisks_match_one_level_or_more(path: str, expected: bytes) -> None:
    assert filtered(ANSWER, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("hits.hits._source.a.b", source(b'{"a":{"b":2}}')),
        (r"hits.hits._source.a\.b", source(b'{"a.b":1}')),
        ("hits.hits._source.a*", source(b'{"a.b":1,"a":{"b":2}}')),
        (r"hits.hits.highlight.*\.b", b'{"hits":{"hits":[{"highlight":{"a.b":["<em>x</em>"]}}]}}'),
    ],
)
def test_a_dot_within_a_name_is_escaped_with_a_backslash(path: str, expected: bytes) -> None:
    assert filtered(ANSWER, path) == expected


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("took,,hits.total", "took,hits.total"),
        (" took , hits.total ,", "took,hits.total"),
        ("\ttook\n", "took"),
        (" -took", "-took"),
        ("- took", "-took"),
        (" , ", ""),
        ("-", ""),
        ("- ,took", "took"),
        ("--took", "-nothing"),
        ("took.", "nothing"),
        (".took", "nothing"),
        ("hits..total", "nothing"),
        (".", "nothing"),
        ("hits. total", "nothing"),
        ("\u00a0took", "nothing"),
        ("h[i]ts", "nothing"),
        ("h?ts", "nothing"),
    ],
)
def test_white_space_and_empty_paths_are_ignored(path: str, same: str) -> None:
    assert filtered(ANSWER, path) == filtered(ANSWER, same)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("-hits", b'{"took":3}'),
        ("-hits.hits", b'{"took":3,"hits":{"total":{"value":2,"relation":"eq"},"max_score":null}}'),
        ("-took,-hits.hits,-hits.max_score", b'{"hits":{"total":{"value":2,"relation":"eq"}}}'),
        ("-hits.total.*,-**.hits", b'{"took":3,"hits":{"max_score":null}}'),
        ("-took.deeper", ANSWER),
        ("-nothing", ANSWER),
        ("-**.nothing", ANSWER),
        ("-**.took", ANSWER),
        ("-*", b"{}"),
        ("-**", b"{}"),
        ("-*.*", b'{"took":3}'),
    ],
)
def test_excluded_values_are_removed(path: str, expected: bytes) -> None:
    assert filtered(ANSWER, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("took,-took", b"{}"),
        ("took,-hits.hits", b'{"took":3}'),
        ("-**.value,hits.total", b'{"hits":{"total":{"relation":"eq"}}}'),
        ("hits.hits,-hits.hits._source,-hits.hits.highlight", filtered(ANSWER, "hits.hits._id,hits.hits._score")),
        ("hits.hits._source.t*,-**.title", source(b'{"tags":["x"]}')),
        ("**._source,-hits.hits._source", b"{}"),
    ],
)
def test_an_exclusion_applies_to_what_is_included(path: str, expected: bytes) -> None:
    assert filtered(ANSWER, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("**.e", b'{"e":{}}'),
        ("**.e.x", None),
        ("**.m", b'{"m":[{"x":1},{"z":2},{}]}'),
        ("**.m.x", b'{"m":[{"x":1}]}'),
        ("**.g.y", b'{"g":[[{"y":1}]]}'),
        ("**.s.x", b'{"s":[[{"x":3}]]}'),
        ("**.üb", b'{"\\u00fcb":true}'),
        ('**.q"t,**.b\\s', b'{"q\\"t":false,"b\\\\s":"{[,]}"}'),
        ("**.l*b", b'{"l\\nb":1.0}'),
        ("**._source,-**.m,-**.g.w,-**.*b,-**.s", b'{"e":{},"n":[],"g":[[{"y":1}],[]],"q\\"t":false,"b\\\\s":"{[,]}"}'),
        ("**.s,-**.s.x", b'{"s":[1,[2]]}'),
        ("**.s,-**.x.y", b'{"s":[1,[2,{"x":3}]]}'),
        ("**.m,-**.z,-**.x", b'{"m":[{}]}'),
        ("**.g.*,-**.w,-**.y", None),
    ],
)
def test_paths_go_through_arrays_empty_values_and_escaped_names(path: str, expected: bytes | None) -> None:
    assert filtered(ODD, path) == (source(expected) if expected else b"{}")


@pytest.mark.parametrize(
    ("body", "path", "kept", "dropped"),
    [
        (NO_HITS, "-hits.hits", filtered(NO_HITS, "took,hits.total,hits.max_score"), None),
        (NO_HITS, "-hits.hits._id", NO_HITS, filtered(NO_HITS, "took,hits.total,hits.max_score")),
        (NO_HITS, "hits.hits,-**._id", b'{"hits":{"hits":[]}}', b"{}"),
        (NO_HITS, "hits.hits._id", b"{}", None),
        (ODD, "**.m,-**.m.x", source(b'{"m":[{"z":2},{}]}'), source(b'{"m":[{"z":2}]}')),
        (ODD, "**.e,**.n,-hits.hits._source.n.x", source(b'{"e":{},"n":[]}'), source(b'{"e":{}}')),
    ],
)
def test_empty_values_on_the_path_of_an_exclusion(body: bytes, path: str, kept: bytes, dropped: bytes | None) -> None:
    wanted = paths({"filter_path": path})
    assert cut(body, wanted) == cut(body, wanted, keeps_empty=True) == kept
    assert cut(body, wanted, keeps_empty=False) == (dropped or kept)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("took", b'{\n  "took" : 3\n}\n'),
        ("hits.hits._id", b'{\n  "hits" : {\n    "hits" : [\n      {\n        "_id" : "1"\n      }\n    ]\n  }\n}\n'),
        ("took,hits.total", b'{\n  "took" : 3,\n  "hits" : {\n    "total" : {\n      "value" : 1\n    }\n  }\n}\n'),
        ("-hits", b'{\n  "took" : 3\n}\n'),
        ("-hits.hits", b'{\n  "took" : 3,\n  "hits" : {\n    "total" : {\n      "value" : 1\n    }\n  }\n}\n'),
        ("-took", INDENTED.replace(b'  "took" : 3,\n', b"")),
        ("-**.tags.x,-**.e.x", INDENTED),
        ("-**.e,-**.n", INDENTED.replace(b',\n          "e" : { },\n          "n" : [ ]', b"")),
        ("**.e.x,**.n.x", b"{ }\n"),
        ("nothing", b"{ }\n"),
        ("*", INDENTED),
        ("", INDENTED),
    ],
)
def test_an_indented_response_stays_indented(path: str, expected: bytes) -> None:
    assert filtered(INDENTED, path) == expected


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        (MULTI, "responses.hits.hits._id", b'{"responses":[{"hits":{"hits":[{"_id":"1"}]}}]}'),
        (MULTI, "responses.*.type,took", b'{"took":5,"responses":[{"error":{"type":"index_not_found_exception"}}]}'),
        (MULTI, "responses.status,-responses.error", b'{"responses":[{"status":200},{"status":404}]}'),
        (MULTI, "-**._source", MULTI.replace(b',"_source":{"t":1}', b"")),
        (BUCKETS, "aggregations.*.buckets.key", b'{"aggregations":{"tag":{"buckets":[{"key":"x"}]}}}'),
        (
            BUCKETS,
            "aggregations,-**.doc_count",
            b'{"aggregations":{"tag":{"buckets":[{"key":"x"}]},"mean":{"value":null}}}',
        ),
    ],
)
def test_other_responses_and_members_are_filtered_too(body: bytes, path: str, expected: bytes) -> None:
    assert filtered(body, path) == expected


@pytest.mark.parametrize("path", ["", ",", " , ", "-", "-, -"])
def test_no_path_changes_nothing(path: str) -> None:
    assert not paths({"filter_path": path})
    assert not paths({"q": "river"})
    assert filtered(ANSWER, path) == ANSWER


def test_a_filter_without_paths_is_false() -> None:
    assert paths({"filter_path": "took"})
    assert paths({"filter_path": "-took"})
    assert paths({"filter_path": r"a.b\.c,-d"}) == Filter(frozenset({("a", "b.c")}), frozenset({("d",)}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b"took: 3",
    ],
)
def test_a_body_that_is_no_object_is_unchanged(body: bytes) -> None:
    assert filtered(body, "**.took") == filtered(body, "-**.took") == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"took": 3',
        b'{"took": 3} {"took": 3}',
        b'{"took": 3, "took": 4}',
        b'{"\xff": 3}',
        *(b'{"a":' * depth + b'{"took":1,"b":2}' + b"}" * depth for depth in (400, 900, 50_000)),
    ],
)
def test_a_body_that_cannot_be_read_is_none(body: bytes) -> None:
    assert filtered(body, "**.took") is filtered(body, "-**.took") is None


def test_a_source_as_deep_as_an_engine_indexes_is_filtered() -> None:
    """Elasticsearch maps 20 levels by default."""
    depth = 150
    assert filtered(b'{"a":' * depth + b'{"took":1,"b":2}' + b"}" * depth, "-**.took") == (
        b'{"a":' * depth + b'{"b":2}' + b"}" * depth
    )


def test_white_space_around_a_response_is_unchanged() -> None:
    assert filtered(b'\n {"a":1,"b":2}\n', "a") == b'\n {"a":1}\n'
    assert filtered(b'\n {"a":1}\n', "b") == b"\n {}\n"


def test_white_space_within_included_values_is_unchanged() -> None:
    text = b'{"a" :1,  "b":\t[ 1,{ "x":2 } , { "y": 3 }],\n"c":{ }}'
    assert filtered(text, "-nothing.x,-**.nothing") == text
    assert filtered(text, "-a,-b.x") == b'{"b":\t[ 1 , { "y": 3 }],\n"c":{ }}'


NAMES = st.sampled_from(["a", "b", "ab", "a.b", 'q"', "ü"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='x,"{[:\\ ü', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
ANSWERS = st.dictionaries(NAMES, VALUES, max_size=4)
STEPS = st.lists(st.sampled_from(["a", "b", "*", "**", "a*", "a\\.b", "ü"]), min_size=1, max_size=3).map(".".join)
FILTERS = st.lists(st.tuples(st.sampled_from(["", "-"]), STEPS).map("".join), min_size=1, max_size=3).map(",".join)


def plain(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def indented(value: Any, depth: int = 0) -> str:
    """Write JSON as the engines do for `pretty`."""
    margin = "\n" + "  " * depth
    if isinstance(value, dict):
        lines = [f"{json.dumps(name)} : {indented(one, depth + 1)}" for name, one in value.items()]
    elif isinstance(value, list):
        lines = [indented(one, depth + 1) for one in value]
    else:
        return json.dumps(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if not lines:
        return f"{opening} {closing}"
    return opening + ",".join(f"{margin}  {line}" for line in lines) + margin + closing


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


@given(ANSWERS, FILTERS, st.booleans())
def test_an_indented_response_is_filtered_like_a_compact_one(
    answer: dict[str, Any], path: str, keeps_empty: bool
) -> None:
    wanted = paths({"filter_path": path})
    found = json.loads(cut(plain(answer), wanted, keeps_empty=keeps_empty))
    text = (indented(answer) + "\n").encode()
    assert cut(text, wanted, keeps_empty=keeps_empty) == (indented(found) + "\n").encode()


@given(ANSWERS, st.lists(STEPS, min_size=1, max_size=3))
def test_an_inclusion_keeps_what_an_exclusion_removes(answer: dict[str, Any], named: list[str]) -> None:
    kept = json.loads(filtered(plain(answer), ",".join(named)))
    left = json.loads(filtered(plain(answer), ",".join(f"-{one}" for one in named)))
    both = [*leaves(kept), *leaves(left)]
    assert sorted(map(repr, both)) == sorted(map(repr, leaves(answer)))


@given(ANSWERS, st.sampled_from(["*", "**", "*,-nothing", "-nothing", "-**.nothing", "nothing,**"]))
def test_a_path_to_everything_keeps_everything(answer: dict[str, Any], path: str) -> None:
    assert filtered(plain(answer), path) == plain(answer)


@given(st.text(alphabet="hits_ab.*,-\\ [?", max_size=12) | st.text(max_size=8))
def test_any_path_leaves_json(path: str) -> None:
    assert json.loads(filtered(ANSWER, path)).keys() <= json.loads(ANSWER).keys()


@given(st.binary(max_size=20) | st.text(alphabet='{}[]",: 1a\\', max_size=20).map(str.encode), FILTERS)
def test_any_body_is_filtered_or_none(body: bytes, path: str) -> None:
    assert isinstance(filtered(body, path), bytes)


@pytest.mark.parametrize(
    ("filter_path", "expected"),
    [
        ("", True),
        ("hits", True),
        ("hits.hits", True),
        ("hits.hits._id", True),
        ("**._id", True),
        ("*.*", True),
        ("took,hits.hits._source.title", True),
        ("hits.total", False),
        ("hits.max_score,took", False),
        ("aggregations", False),
        ("hits.**.x", True),
        ("-took", True),
        ("-hits.hits._source", True),
        ("-hits.hits", False),
        ("-hits", False),
        ("-**.hits", False),
        ("hits.hits._id,-hits.hits", False),
    ],
)
def test_a_filter_may_leave_hits(filter_path: str, expected: bool) -> None:
    assert keeps(paths({"filter_path": filter_path}), ("hits", "hits")) is expected


@pytest.mark.parametrize(("count", "is_cut"), [(50_000, True), (50_001, False)])
def test_at_most_50_000_names_and_paths_are_compared(count: int, is_cut: bool) -> None:
    wanted = paths({"filter_path": ",".join(f"x{number}" for number in range(count))})
    assert cut(b'{"x1":1}', wanted) == (b'{"x1":1}' if is_cut else None)


def test_names_that_occur_in_each_hit_are_compared_once() -> None:
    wanted = paths({"filter_path": ",".join(f"hits.x{number}" for number in range(1000))})
    body = b'{"hits":[%b]}' % b",".join([b'{"x1":1}'] * 100)
    assert cut(body, wanted) == body
