"""Seeds of the fuzz targets: cases of the other tests, inputs written for fuzzing, and optional recorded requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from es_rerank.model import FetchPhase, FetchSpec, Rule
from es_rerank.net.content_encoding import compress
from es_rerank.search.engine_request.by_endpoint import ENGINE_REQUESTS
from es_rerank.search.formats.async_search import token
from tests.fuzz.inputs import joined
from tests.search.builders import a_plan

CASES = Path(__file__).parent.parent / "cases"
FOUND = CASES / "fuzz"

Recorded = Sequence[tuple[str, Mapping[str, str], bytes]]
"""Requests: `METHOD target`, headers, body."""

_TYPED = {"Content-Type": "application/json", "Accept": "application/json"}
_HIT = '{"_index":"docs","_id":"%d","_score":%s,"_source":{"title":"t%d","body":"text %d"}}'
_HITS = ",".join(_HIT % (at, 9.5 - at, at, at) for at in range(7))
_PINNED = (
    '{"_index":"docs","_type":"_doc","_id":"p","_score":1.7014122E38,"_source":{"body":"pinned"},"sort":[1.7014122E38]}'
)
_RICH = (
    '{"_index":"docs","_id":"a","_score":2.5,"_source":{"body":["one","two"]},"fields":{"body":["x"],"comments":'
    '[{"said":["y"]},{"said":["z"],"by":["w"]}]},"sort":[2.5,"a"],"highlight":{"body":["<em>x</em>"]},"_explanation":'
    '{"value":2.5,"description":"sum","details":[]},"matched_queries":["q"],"inner_hits":{"c":{"hits":{"hits":[]}}}}'
)
_ANSWERS = (
    '{"took":1,"hits":{"total":{"value":7,"relation":"eq"},"max_score":9.5,"hits":[' + _HITS + "]}}",
    '{"took":1,"hits":{"max_score":1.7014122E38,"hits":[' + _PINNED + "," + _HITS + "]}}",
    '{"hits":{"hits":[' + _RICH + "," + _RICH.replace("2.5", "1.5").replace('"a"', '"b"') + '],"max_score":2.5}}',
    '{"hits":{"max_score":null,"hits":[]},"aggregations":{"a":{"buckets":[]}}}',
)
_MANY = (
    '{"took":5,"responses":[' + _ANSWERS[0][:-1] + ',"status":200},{"error":{"type":"x"},"status":404},{}]}',
    '{"took":5,"responses":[]}',
)
_WRAPPED = (
    '{"id":"FmRldE8z==","is_partial":false,"is_running":false,"start_time_in_millis":1,"response":' + _ANSWERS[0] + "}",
    '{"id":"FmRldE8z==","is_partial":true,"is_running":true,"response":' + _ANSWERS[3] + "}",
    '{"id":"abc","state":"SUCCEEDED","response":' + _ANSWERS[2] + "}",
    '{"state":"RUNNING"}',
)
# Choices for sequences of requests, and lines that are used as header or trailer fields.
_CONNECTIONS = (
    b"41000010202113111200002000",
    b"211011120130102" * 4,
    b"0123456789" * 8,
    b"3000020013000210120002" * 4,
    bytes(range(48, 112)),
)
_FIELD_LINES = (
    "es-security-runas-user: admin\nX-Forwarded-User: ann",
    "Connection: es-security-runas-user\nAuthorization: Basic YTpi\nContent-Length: 5",
    "nocolon\n folded: 1\nTransfer-Encoding: chunked\nUpgrade: h2c\nX-A: \t1 ",
)
_PRESENTED = (
    '{"name":"n","cluster_name":"c","version":{"distribution":"opensearch","number":"3.6.0"},"tagline":"OpenSearch"}',
    '{"_nodes":{"total":1},"cluster_name":"c","nodes":{"a":{"name":"n","http":{"publish_address":"127.0.0.1:9200"}}}}',
    '{"pit_id":"abc","_shards":{"total":1},"creation_time":1}',
    '{"id":"abc"}',
    '{"pits":[{"successful":true,"pit_id":"abc"}]}',
)
_RATED = (
    '{"requests":[{"id":"a","request":{"query":{"match":{"body":"hose"}}},"ratings":[{"_index":"docs","_id":"1",'
    '"rating":1}]},{"id":"b","template_id":"t","params":{"q":"tap"},"ratings":[]}],"metric":{"precision":{"k":20}},'
    '"templates":[{"id":"t","template":{"source":"{\\"query\\":{\\"match\\":{\\"body\\":\\"{{q}}\\"}}}"}}]}'
)
_LIGHT = (
    '{"query":{"match":{"body":"hose"}},"size":3,"post_filter":{"term":{"tag":"a"}},"highlight":{"fields":{"body":{}}}}',
    '{"query":{"nested":{"path":"c","query":{"match":{"c.d":"hose"}},"inner_hits":{}}},"size":2,"_source":["title"]}',
    '{"query":{"match":{"body":"hose"}},"stored_fields":"_none_","min_score":1,"aggs":{"a":{"terms":{"field":"tag"}}}}',
)
_TYPED_WORDS = (
    'title:(leaking OR dripping) AND "garden hose"~2^3 -clamp year:[2001 TO 2009]',
    "body:hose and not (title:tap or tag:{ a: b }) and year >= 2001",
    "garden +hose | tap* -leak ~2 c\\+\\+ /a.b/",
    "garden\nhose\ngarden hoses\n庭 ホース",
    "(" * 60 + "hose" + ")" * 60,
)
_DOCUMENTS = (
    "Hoses\nA hose leaks. It drips, and it leaks.\n\nAnother paragraph is here! " * 3,
    "庭のホースが漏れています。修理してください。" * 4,
    "short",
)
_PROXY_HEADERS = (
    b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbbGET /",
    b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00",
)
_POLLED = a_plan(
    start=1,
    size=2,
    fetch=FetchSpec(FetchPhase.WINDOW, 0, 5),
    window=5,
    rule=Rule("docs"),
    passage_fields=("body",),
)
_PATHS = ("hits.hits._id", "hits.**", "-hits.hits._source", "took,hits.*._score,-**.body", "**.title,-hits.total")
_PREFIXES = (b"0", b"1", b"0000000000", b"512041", b"3321012010", b"42310223")


def _recorded(folder: Path | None) -> Iterator[tuple[str, Mapping[str, str], bytes]]:
    """Yield the requests of tests/cases/requests.yaml, and those recorded in a folder."""
    for case in yaml.safe_load((CASES / "requests.yaml").read_text(encoding="utf-8")):
        lines = [case["raw"]] if "raw" in case else case.get("lines", [case["body"]] if "body" in case else [])
        yield case["request"], case.get("headers", _TYPED), _lines(lines)
    for file in sorted(folder.glob("*.json")) if folder else ():
        case = json.loads(file.read_text(encoding="utf-8"))
        body = case.get("body_raw") or case["body"]
        yield f"{case['method']} {case['path']}", case.get("headers") or _TYPED, _lines([body] if body else [])


def _lines(lines: Sequence[Any]) -> bytes:
    return b"\n".join(line.encode() if isinstance(line, str) else json.dumps(line).encode() for line in lines)


def _yaml(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return found


def _searches(recorded: Recorded) -> Iterator[bytes]:
    """Yield bodies of searches, with each kind of clause at least once."""
    for _, _, body in recorded:
        yield from (line for line in body.split(b"\n") if line)
    yield from _encoded(_LIGHT * len(ENGINE_REQUESTS))
    for case in _yaml("query.yaml"):
        yield json.dumps({"query": case["query"]} if "query" in case else case.get("body", {})).encode()
    for case in _yaml("asked.yaml"):
        yield json.dumps(case["body"]).encode()


def _requests(recorded: Recorded) -> Iterator[bytes]:
    for line, headers, body in recorded:
        head = "\n".join(f"{name}: {value}" for name, value in headers.items()).encode()
        yield joined(line.encode(), head, body)
    plan = a_plan(start=2, size=3, rule=Rule("docs"), passage_fields=("body",))
    typed = b"Content-Type: application/json\nAccept-Encoding: gzip, br;q=0.1, *"
    for line, body in (
        ("GET /_async_search/" + token("FmRldE8z==", plan), ""),
        ("POST /docs/_rank_eval", _RATED),
        ("POST /_inference/rerank/m", '{"query":"hose","input":["a","b"],"task_settings":{"top_n":1}}'),
        ("GET /docs/_search/template", '{"template_output":{"query":{"match":{"body":"hose"}}},"explain":true}'),
        ("POST http://localhost/docs/_msearch/template", '{"index":["a","b"]}\n{"id":"t","params":{"q":"x"}}'),
        ("DELETE /_pit", '{"id":"abc"}'),
        ("GET /", ""),
    ):
        yield joined(line.encode(), typed, body.encode())


def _plans(recorded: Recorded) -> Iterator[bytes]:
    for at, body in enumerate(_searches(recorded)):
        prefix = f"{at % len(ENGINE_REQUESTS)}{at % 4}{at % 5}".encode()
        yield joined(prefix, (b"", b"from=2&size=3&filter_path=hits", b"q=title:hose&df=body")[at % 3 * (at % 2)], body)


def _answers() -> Iterator[bytes]:
    yield from (one.encode() for one in _ANSWERS)
    yield from (file.read_bytes() for file in sorted(CASES.glob("searches/*/engine.json")))


def _with_prefix(bodies: Iterator[bytes] | Sequence[bytes]) -> Iterator[bytes]:
    yield from (joined(_PREFIXES[at % len(_PREFIXES)], body) for at, body in enumerate(bodies))


def _encoded(texts: Sequence[str]) -> list[bytes]:
    return [one.encode() for one in texts]


def seeds(target: str, folder: Path | None = None) -> list[bytes]:
    """Return the seeds and the crash cases of a target; *folder* has recorded requests."""
    recorded = list(_recorded(folder))
    answers = list(_answers())
    table: Mapping[str, Iterator[bytes]] = {
        "wire": _with_prefix([*_PROXY_HEADERS, *(compress(b"hose" * 9, one) for one in ("gzip", "deflate"))]),
        "connections": (joined(prefix, lines) for prefix in _CONNECTIONS for lines in _encoded(_FIELD_LINES)),
        "requests": _requests(recorded),
        "words": _with_prefix(_encoded(_TYPED_WORDS)),
        "plans": _plans(recorded),
        "rated": _with_prefix(_encoded((_RATED,) * 4)),
        "passages": (
            joined(b"title\ncomments.said\nbody", (b"", b"title: {title}\n{body}")[at % 2], hit)
            for at, hit in enumerate(_encoded((_RICH, _PINNED, _HIT % (1, 2, 3, 4))))
        ),
        "cuts": (
            joined(prefix, b"leaking hose", json.dumps(documents).encode())
            for prefix in (b"0803", b"1803", b"1912", b"2:13")
            for documents in (_DOCUMENTS, [*_DOCUMENTS, None, ""])
        ),
        "scores": (joined(b"3", file.read_bytes()) for file in sorted(CASES.glob("backends/*/answer.json"))),
        "answers": _with_prefix(answers * 3),
        "pages": _with_prefix(answers * 3),
        "many": _with_prefix(_encoded(_MANY)),
        "wrapped": (joined(b"32", token("abc", _POLLED).encode(), one) for one in _encoded(_WRAPPED)),
        "filters": (joined(b"0", path.encode(), one) for path in _PATHS for one in answers),
        "presented": iter(_encoded(_PRESENTED)),
    }
    return [*table[target], *(file.read_bytes() for file in found(target))]


def found(target: str) -> list[Path]:
    """List the files of the crash cases of a target."""
    return sorted((FOUND / target).glob("*"))
