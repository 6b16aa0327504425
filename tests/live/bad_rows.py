"""The rows of tests/live/test_bad_input.py: malformed or hostile requests, byte for byte."""

from __future__ import annotations

import gzip
import ssl
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .raw import chunks, fields

# Replaced by a unique word each time a row is sent: the id of the document that it writes, and of its response.
TOKEN = b"TOKEN0000"
HOST, OPAQUE = "Host: engine", f"X-Opaque-Id: {TOKEN.decode()}"
JSON, LINES, GZIP = "Content-Type: application/json", "Content-Type: application/x-ndjson", "Content-Encoding: gzip"
CHUNKED = "Transfer-Encoding: chunked"
INDEX, WRITES = "bad", "bad-writes"
SEARCH, COUNT, DOC = f"/{INDEX}/_search", f"/{INDEX}/_count", f"/{WRITES}/_doc/{TOKEN.decode()}"
QUERY = b'{"query":{"match":{"body":"river"}}}'
SOURCE = b'{"body":"a"}'
PACKED = gzip.compress(QUERY, mtime=0)
SEARCHES = b"{}\n" + QUERY + b"\n"
BULK = b'{"index":{"_index":"bad-writes","_id":"' + TOKEN + b'"}}\n{"body":"a"}\n'
DEPTH = 1_000_000
ARRAYS, OBJECTS = b"[" * DEPTH + b"]" * DEPTH, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
# Megabytes of white space before a search: 60 MB are below the limit of the engines (100 MB), 300 MB above.
BOMB, BIG_BOMB = (gzip.compress(b" " * size + QUERY, mtime=0) for size in (60_000_000, 300_000_000))
UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==",
    "Sec-WebSocket-Version: 13",
)

EngineRequest = tuple[bytes, ...]


def get(target: str | bytes = COUNT, *lines: str | bytes, host: str | None = HOST) -> EngineRequest:
    """Write a GET."""
    first = b"GET " + (target.encode() if isinstance(target, str) else target) + b" HTTP/1.1"
    return (fields(first, *([host] if host is not None else []), OPAQUE, *lines),)


def post(
    target: str, body: bytes, *lines: str | bytes, kind: str | bytes = JSON, method: str = "POST"
) -> EngineRequest:
    """Write a request with a Content-Length."""
    return (fields(f"{method} {target} HTTP/1.1", HOST, OPAQUE, kind, f"Content-Length: {len(body)}", *lines) + body,)


def put(body: bytes = SOURCE, *lines: str | bytes) -> bytes:
    """Write a request that indexes a document with the row's token as its id."""
    return post(DOC, body, *lines, method="PUT")[0]


def framed(body: bytes, *lines: str | bytes, target: str = SEARCH, version: str = "1.1") -> EngineRequest:
    """Write a search whose body is framed as *lines* say."""
    return (fields(f"POST {target} HTTP/{version}", HOST, OPAQUE, JSON, *lines) + body,)


def plain(line: str | bytes, *lines: str | bytes) -> EngineRequest:
    """Write a request with this request line and without a body."""
    return (fields(line, HOST, OPAQUE, *lines),)


def _hello() -> bytes:
    """Write a TLS ClientHello."""
    came, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(came, sent, server_hostname="engine").do_handshake()
    return sent.read()


@dataclass(frozen=True)
class Row:
    """One malformed request, in packets.

    A strict row must get the engine's own responses; any other may be rejected instead. `as_if` is sent to the engine
    in its place where the endpoint may differ, and `why` is the reason. The connection of a mute row may be closed
    without a response.
    """

    name: str
    sent: EngineRequest
    strict: bool = False
    answers: int = 1
    finish: bool = False
    method: str = "GET"
    as_if: EngineRequest | None = None
    why: str = ""
    mute: bool = False
    limit_s: float = 15.0

    @property
    def engine_limit_s(self) -> float:
        """Return the timeout for the engine: after a malformed request it keeps connections open without responding."""
        return max(1.0, self.limit_s - 15.0)


def same(name: str, sent: EngineRequest, **more: Any) -> Row:
    return Row(name, sent, strict=True, **more)


FULL_FORM = "RFC 9112, 3.2.2: a server takes the absolute form; the engines take it for a path"
STALE = "RFC 9112, 7.1.1: a chunk extension that is not known is left alone; netty refuses it"
UNREADABLE = "a client of another version cannot read an answer of this one; OpenSearch closes too"
NO_UPGRADE = "RFC 9110, 7.8: an upgrade may be declined; OpenSearch would go on in HTTP/2"

HEADERS = [
    same("header_6k", get(COUNT, "X-A: " + "a" * 6_000)),
    same("header_20k", get(COUNT, "X-A: " + "a" * 20_000)),
    same("headers_100_of_300", get(COUNT, *[f"X-{at}: {'a' * 300}" for at in range(100)])),
    same("headers_200", get(COUNT, *[f"X-{at}: 1" for at in range(200)])),
    Row("header_70k", get(COUNT, "X-A: " + "a" * 70_000)),
    Row("header_1m", get(COUNT, "X-A: " + "a" * 1_000_000)),
    Row("header_name_20k", get(COUNT, "a" * 20_000 + ": a")),
    Row("header_name_1m", get(COUNT, "a" * 1_000_000 + ": a")),
    Row("headers_10000", get(COUNT, *[f"X-{at}: 1" for at in range(10_000)])),
    Row("header_without_colon", get(COUNT, "nothing")),
    Row("header_without_name", get(COUNT, ": a")),
    Row("header_space_before_colon", get(COUNT, "X-A : a")),
    Row("header_folded", get(COUNT, "X-A: a\r\n b")),
    Row("header_folded_first", get(COUNT, " X-A: a", host=None)),
    Row("header_name_parentheses", get(COUNT, "X(A): a")),
    Row("header_name_utf8", get(COUNT, "Xé: a")),
    *(
        Row(f"header_value_{byte:02x}", get(COUNT, b"X-A: a" + bytes([byte]) + b"b"))
        for byte in (0, 1, 0x0B, 0x0D, 0x7F)
    ),
    # The endpoint cannot forward bytes that are not UTF-8; it may reject them, but must not drop them.
    Row("header_value_latin1", get(COUNT, b"X-A: \xff\xe9")),
    same("header_value_utf8", get(COUNT, "X-A: é")),
    Row("search_opaque_id_latin1", post(SEARCH, QUERY, b"X-Opaque-Id: \xe9")),
    Row("opaque_id_latin1", (fields(f"GET {COUNT} HTTP/1.1", HOST, b"X-Opaque-Id: a\xe9b"),)),
    Row("search_query_header_of_no_text", post(SEARCH, QUERY, b"X-Rerank-Query: \xff\xed\xa0\x80 river")),
    Row("search_authorization_of_no_text", post(SEARCH, QUERY, b"Authorization: \xff\xfe")),
    Row("host_missing", get(COUNT, host=None)),
    Row("hosts_two", get(COUNT, "Host: other")),
    same("host_empty", get(COUNT, host="Host:")),
    Row("host_of_no_host", get(COUNT, host="Host: a b/c")),
    Row("search_types_two_equal", post(SEARCH, QUERY, JSON)),
    Row("search_types_two", post(SEARCH, QUERY, "Content-Type: application/yaml")),
    same(
        "search_type_missing",
        (fields(f"POST {SEARCH} HTTP/1.1", HOST, OPAQUE, f"Content-Length: {len(QUERY)}") + QUERY,),
    ),
    same("search_type_empty", post(SEARCH, QUERY, kind="Content-Type:")),
    same("search_type_of_no_type", post(SEARCH, QUERY, kind="Content-Type: a;b;c/d/e")),
    Row("search_type_latin1", post(SEARCH, QUERY, kind=b"Content-Type: \xff")),
    same("search_type_utf16", post(SEARCH, QUERY, kind=JSON + "; charset=utf-16")),
    same("search_accept_of_no_type", post(SEARCH, QUERY, "Accept: nonsense")),
    Row("search_accept_latin1", post(SEARCH, QUERY, b"Accept: \xff")),
    same("search_gzip_not_accepted", post(SEARCH, QUERY, "Accept-Encoding: gzip;q=0")),
    same(
        "search_connection_names_all",
        post(SEARCH, QUERY, "Connection: content-type, content-length, host"),
        as_if=post(SEARCH, QUERY),
        why="only the fixed hop-by-hop fields end at the endpoint, so that a client cannot remove those of a gateway",
    ),
    Row("connection_of_no_text", get(COUNT, b"Connection: \xff, ,,")),
]
FRAMES = [
    same("chunks", framed(chunks(QUERY[:5], QUERY[5:]), CHUNKED)),
    same("chunks_in_packets", (framed(chunks(QUERY[:5], end=b""), CHUNKED)[0], chunks(QUERY[5:]))),
    same(
        "chunk_extension_long",
        framed(b"%x;a=%s\r\n%s\r\n0\r\n\r\n" % (len(QUERY), b"e" * 70_000, QUERY), CHUNKED),
        as_if=framed(chunks(QUERY), CHUNKED),
        why=STALE,
    ),
    same(
        "chunk_extension",
        framed(b'%x;a=b;c="d"\r\n%s\r\n0;x\r\n\r\n' % (len(QUERY), QUERY), CHUNKED),
        as_if=framed(chunks(QUERY), CHUNKED),
        why=STALE,
    ),
    same("trailers", framed(chunks(QUERY, end=b"0\r\nX-T: 1\r\n\r\n"), CHUNKED, "Trailer: X-T")),
    Row("trailer_content_length", framed(chunks(QUERY, end=b"0\r\nContent-Length: 3\r\n\r\n"), CHUNKED)),
    Row("trailer_without_colon", framed(chunks(QUERY, end=b"0\r\nX T\r\n\r\n"), CHUNKED)),
    Row("trailer_70k", framed(chunks(QUERY, end=b"0\r\nX-T: " + b"a" * 70_000 + b"\r\n\r\n"), CHUNKED)),
    *(
        Row(f"chunk_size_{name}", framed(size + b"\r\n" + QUERY + b"\r\n0\r\n\r\n", CHUNKED))
        for name, size in {
            "letters": b"zz",
            "negative": b"-5",
            "huge": b"f" * 17,
            "prefixed": b"0x24",
            "none": b"",
            "spaced": b"24  ",
            "too_short": b"5",
        }.items()
    ),
    Row("chunk_size_letters_bulk", framed(b"zz\r\nabc\r\n0\r\n\r\n", CHUNKED, target="/_bulk")),
    Row("chunk_size_letters_later", (framed(chunks(QUERY[:5], end=b""), CHUNKED)[0], b"zz\r\nabc\r\n0\r\n\r\n")),
    Row(
        "chunk_size_letters_later_write",
        (framed(chunks(SOURCE[:5], end=b""), CHUNKED, target=DOC)[0], b"zz\r\nabc\r\n0\r\n\r\n", b"more"),
    ),
    Row("trailer_without_colon_later", (framed(chunks(QUERY, end=b""), CHUNKED)[0], b"0\r\nX T\r\n\r\n")),
    Row("chunk_end_missing", framed(b"24\r\n" + QUERY + b"0\r\n\r\n", CHUNKED)),
    Row("chunks_of_bare_lf", framed(chunks(QUERY).replace(b"\r\n", b"\n"), CHUNKED)),
    *(
        Row(f"chunks_not_ended_{name}", framed(chunks(body, end=b""), CHUNKED, target=target), finish=True)
        for name, target, body in (("search", SEARCH, QUERY), ("document", DOC, SOURCE), ("bulk", "/_bulk", BULK))
    ),
    Row("lengths_two_equal", post(SEARCH, QUERY, f"Content-Length: {len(QUERY)}")),
    Row("lengths_two", post(SEARCH, QUERY, "Content-Length: 3")),
    Row("lengths_in_a_list", framed(QUERY, f"Content-Length: {len(QUERY)}, {len(QUERY)}")),
    *(
        Row(f"length_{name}", framed(QUERY, f"Content-Length: {value}"))
        for name, value in {
            "negative": "-5",
            "words": "abc",
            "signed": "+36",
            "float": "1e3",
            "huge": "9" * 20,
            "two": "3 6",
            "empty": "",
            "hexadecimal": "0x24",
            "arabic": "٣٦",
        }.items()
    ),
    Row("length_and_chunks", framed(chunks(QUERY), CHUNKED, f"Content-Length: {len(chunks(QUERY))}")),
    Row("length_and_chunks_short", framed(chunks(QUERY), CHUNKED, "Content-Length: 3")),
    Row(
        "length_and_chunks_smuggling",
        framed(b"0\r\n\r\n" + put(), CHUNKED, f"Content-Length: {5 + len(put())}"),
        answers=2,
    ),
    Row(
        "length_and_other_coding_smuggling",
        framed(QUERY + put(), "Transfer-Encoding: xchunked", f"Content-Length: {len(QUERY)}"),
        answers=2,
    ),
    *(
        Row(f"coding_{name}", framed(chunks(QUERY), f"Transfer-Encoding: {value}"), answers=2)
        for name, value in {
            "gzip_chunked": "gzip, chunked",
            "identity": "identity",
            "xchunked": "xchunked",
            "gzip": "gzip",
            "empty": "",
            "chunked_twice": "chunked, chunked",
            "chunked_identity": "chunked, identity",
            "parameter": "chunked;q=1",
            "vertical_tab": "\x0bchunked",
            "then_identity": "chunked\r\nTransfer-Encoding: identity",
            "repeated": "chunked\r\nTransfer-Encoding: chunked",
        }.items()
    ),
    same("coding_upper_case", framed(chunks(QUERY), "Transfer-Encoding: CHUNKED")),
    Row("body_longer", (post(SEARCH, QUERY)[0] + b"junk\r\n\r\n",), answers=2),
    same("body_and_empty_line", (post(SEARCH, QUERY)[0] + b"\r\n",)),
    Row("body_shorter_search", (post(SEARCH, QUERY + b"   ")[0][:-3],), finish=True),
    Row("body_shorter_document", (put(SOURCE + b"   ")[:-3],), finish=True),
    same("pipelined_two", (get(COUNT)[0] + get("/_cat/health?h=cluster")[0],), answers=2),
    same("pipelined_searches", (post(SEARCH, QUERY)[0] * 3 + get(COUNT)[0],), answers=4),
    same("pipelined_100", (get(COUNT)[0] * 100,), answers=100),
    same("pipelined_write_and_read", (put() + get(COUNT)[0],), answers=2),
    Row("pipelined_bad_after_good", (post(SEARCH, QUERY)[0] + b"BAD\r\n\r\n",), answers=2),
    Row("pipelined_bad_after_good_later", (post(SEARCH, QUERY)[0], b"BAD\r\n\r\n"), answers=2),
    Row("pipelined_good_after_bad", (get(COUNT, "nothing")[0] + put(),), answers=2),
    Row("pipelined_good_after_bad_chunk", (framed(b"zz\r\n\r\n", CHUNKED)[0] + put(),), answers=2),
    Row("pipelined_good_after_bad_length", (framed(b"", "Content-Length: x")[0] + put(),), answers=2),
    same("search_with_get", (post(SEARCH, QUERY, method="GET"))),
    same(
        "head_with_body", (fields("HEAD / HTTP/1.1", HOST, OPAQUE, JSON, "Content-Length: 2") + b"{}",), method="HEAD"
    ),
]
VERSIONS = [
    Row("http_0_9", (b"GET /\r\n\r\n",), mute=True, why=UNREADABLE),
    Row("http_0_9_with_line", plain("GET / HTTP/0.9"), mute=True, why=UNREADABLE),
    *(
        Row(f"version_{at}", plain(f"GET {COUNT} {version}"), mute=True, why=UNREADABLE)
        for at, version in enumerate(
            ["HTTP/1.2", "HTTP/2.0", "HTTP/3", "HTTP/9.9", "HTTX/1.1", "HTTP/1.1x", "http/1.1", ""]
        )
    ),
    same("http_1_0", plain(f"GET {COUNT} HTTP/1.0")),
    same("http_1_0_kept_alive", plain(f"GET {COUNT} HTTP/1.0", "Connection: keep-alive")),
    same("http_1_0_without_host", (fields(f"GET {COUNT} HTTP/1.0", OPAQUE),)),
    same("http_1_0_search", framed(QUERY, f"Content-Length: {len(QUERY)}", version="1.0")),
    same(
        "http_1_0_search_kept_alive",
        framed(QUERY, "Connection: keep-alive", f"Content-Length: {len(QUERY)}", version="1.0"),
    ),
    Row(
        "http_1_0_chunks",
        framed(chunks(QUERY), CHUNKED, version="1.0"),
        as_if=framed(chunks(QUERY), CHUNKED),
        why="RFC 9112, 6.1: taken, and the connection closed; Elasticsearch refuses, OpenSearch takes it",
    ),
    same("connection_close", get(COUNT, "Connection: close")),
    same("search_connection_close", post(SEARCH, QUERY, "Connection: close")),
    Row(
        "http_2_preface",
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(4) + b"\x04" + bytes(4),),
        as_if=plain("PRI / HTTP/1.1"),
        why="OpenSearch goes on in HTTP/2; the endpoint speaks HTTP/1.1 alone",
    ),
    Row("tls", (_hello(),)),
    Row("garbage", (b"\x00\x01\x02garbage\r\n\r\n",)),
    Row("lines_of_bare_lf", (get(COUNT)[0].replace(b"\r\n", b"\n"),)),
    Row("lines_of_bare_cr", (get(COUNT)[0].replace(b"\r\n", b"\r") + b"\r\n\r\n",)),
    same("empty_lines_first", (b"\r\n\r\n" + get(COUNT)[0],)),
    same("head_in_packets", (get(COUNT)[0][:9], get(COUNT)[0][9:30], get(COUNT)[0][30:])),
    same("upgrade_h2c", get(COUNT, *UPGRADE), as_if=get(COUNT), why=NO_UPGRADE),
    same("upgrade_h2c_search", post(SEARCH, QUERY, *UPGRADE), as_if=post(SEARCH, QUERY), why=NO_UPGRADE),
    same("upgrade_websocket", get(COUNT, *WEBSOCKET)),
    same("upgrade_websocket_search", post(SEARCH, QUERY, *WEBSOCKET)),
    same("upgrade_websocket_pipelined", (get(COUNT, *WEBSOCKET)[0] + get(COUNT)[0],), answers=2),
    same("expect_100_not_awaited", post(SEARCH, QUERY, "Expect: 100-continue")),
    same("expect_100_of_get", get(COUNT, "Expect: 100-continue")),
    Row("expect_something_else", post(SEARCH, QUERY, "Expect: something-else")),
    Row("expect_something_else_write", (put(SOURCE, "Expect: something-else"),)),
]
TARGETS = [
    *(
        same(f"full_form_{at}", get(target), as_if=get(origin), why=FULL_FORM)
        for at, (target, origin) in enumerate(
            [
                (f"http://engine{COUNT}", COUNT),
                (f"HTTP://OTHER:1{COUNT}", COUNT),
                (f"http://u:p@engine{COUNT}", COUNT),
                ("ftp://x/y", "/y"),
                ("http://engine/", "/"),
                ("http://engine", "/"),
                ("http://engine?pretty", "/?pretty"),
                (f"http://engine{SEARCH}?q=body:river", f"{SEARCH}?q=body:river"),
            ]
        )
    ),
    *(
        Row(f"form_{at}", get(target))
        for at, target in enumerate(
            ["http://", "http:///x", "http:/x", "engine:80", "*", "?q=1", "bad/_count", "http://[::1/"]
        )
    ),
    Row("options_asterisk", plain("OPTIONS * HTTP/1.1")),
    same("options", plain(f"OPTIONS {COUNT} HTTP/1.1")),
    Row("connect", plain("CONNECT engine:80 HTTP/1.1")),
    Row("connect_path", plain("CONNECT / HTTP/1.1")),
    Row("connect_pipelined", (plain("CONNECT engine:80 HTTP/1.1")[0] + put(),), answers=2),
    *(
        Row(f"method_{method[:9].lower()}_{len(method)}", plain(f"{method} {COUNT} HTTP/1.1"))
        for method in (
            "PURGE",
            "get",
            "M-SEARCH",
            "PATCH",
            "TRACE",
            "PROPFIND",
            "FOO",
            "G@T",
            "GÉT",
            "SEARCH",
            "PRI",
            "A" * 300,
            "PO ST",
        )
    ),
    Row("method_purge_search", plain(f"PURGE {SEARCH}?q=body:river HTTP/1.1")),
    Row("method_lower_case_search", plain(f"get {SEARCH}?q=body:river HTTP/1.1")),
    *(
        Row(f"path_{name}", get(b"/bad/_doc/" + path))
        for name, path in {
            "nul": b"a\0b",
            "control": b"a\x01b",
            "del": b"a\x7fb",
            "utf8": "é".encode(),
            "latin1": b"\xe9",
            "space": b"a b",
            "tab": b"a\tb",
            "percent_zz": b"%zz",
            "percent": b"a%",
            "hash": b"a#b",
            "marks": b'"<>{}|^`\\',
        }.items()
    ),
    *(
        same(f"path_{name}", get(path))
        for name, path in {
            "percent_00": "/bad/_doc/a%00b",
            "percent_ff": "/bad/_doc/%ff",
            "line_ends": "/bad/_doc/a%0d%0aX:%20y",
            "surrogate": "/bad/_doc/%ed%a0%80",
            "dots": "/bad/../_cat/health?h=cluster",
            "coded_dots": "/%2e%2e/%2e%2e/x",
            "slashes": "//bad//_count",
            "search_00": "/a%00b/_search?q=x",
            "search_ff": "/%ff/_search?q=x",
            "search_line_end": "/a%0ab/_search?q=x",
            "3k": "/bad/_doc/" + "a" * 3_000,
            "5k": "/bad/_doc/" + "a" * 5_000,
            "5k_search": f"{SEARCH}?q=body:" + "a" * 5_000,
        }.items()
    ),
    Row("path_search_zz", get("/%zz/_search?q=x")),
    Row("path_search_latin1", get(b"/\xe9/_search?q=x")),
    Row("path_70k", get("/bad/_doc/" + "a" * 70_000)),
    Row("path_1m", get("/bad/_doc/" + "a" * 1_000_000)),
    Row("path_70k_search", get(f"{SEARCH}?q=body:" + "a" * 70_000)),
    *(
        Row(f"query_{name}_{path[5:]}", get(path.encode() + b"?q=body:" + query))
        for path in (SEARCH, COUNT)
        for name, query in {
            "nul": b"a\0b",
            "control": b"a\x01",
            "utf8": "é".encode(),
            "latin1": b"\xe9",
            "space": b"a b",
            "zz": b"%zz",
            "percent": b"a%",
            "00": b"a%00b",
            "ff": b"%ff",
            "surrogate": b"%ed%a0%80",
            "u": b"%u0041",
            "hash": b"a#b",
            "marks": b'a|"b"<>^`{}',
        }.items()
    ),
    *(
        same(f"query_{name}", get(f"{SEARCH}?q=body:river{query}"))
        for name, query in {
            "semicolon": ";size=1",
            "empty": "&&&=&=1&x=",
            "mark": "?b",
            "brackets": "&size[]=1",
        }.items()
    ),
    same("query_deep_filter_path", post(f"{SEARCH}?filter_path={'a.' * 1_500}b", QUERY)),
]
DEEP = {
    "arrays": ARRAYS,
    "arrays_open": b"[" * DEPTH,
    "objects": OBJECTS,
    "objects_open": b'{"a":' * DEPTH,
    "query_array": b'{"query":' + ARRAYS + b"}",
    "query_object": b'{"query":' + OBJECTS + b"}",
    "beside": b'{"query":{"match":{"body":"river"}},"sort":' + ARRAYS + b"}",
    "source": b'{"query":{"match":{"body":"river"}},"_source":' + ARRAYS + b"}",
}
BODIES = [
    *(same(f"deep_{name}_search", post(SEARCH, body), limit_s=60) for name, body in DEEP.items()),
    *(
        same(f"deep_{name}_msearch", post("/bad/_msearch", b"{}\n" + body + b"\n", kind=LINES), limit_s=60)
        for name, body in DEEP.items()
    ),
    *(
        same(f"deep_{name}_template", post("/bad/_search/template", b'{"source":' + body + b"}"), limit_s=60)
        for name, body in DEEP.items()
    ),
    *(
        same(f"deep_{name}_async", post(path, body), limit_s=60)
        for name, body in DEEP.items()
        for path in ("/bad/_async_search", "/_plugins/_asynchronous_search?index=bad")
    ),
    same("deep_msearch_header", post("/bad/_msearch", ARRAYS + b"\n{}\n", kind=LINES), limit_s=60),
    same("deep_bulk_action", post("/_bulk", ARRAYS + b"\n{}\n", kind=LINES), limit_s=60),
    same(
        "deep_bulk_document", post("/_bulk", BULK.partition(b"\n")[0] + b"\n" + OBJECTS + b"\n", kind=LINES), limit_s=60
    ),
    *(
        same(f"json_{name}", post(SEARCH, body))
        for name, body in {
            "of_no_utf8": b'{"query":{"match":{"body":"\xff\xfe"}}}',
            "key_of_no_utf8": b'{"\xff":1}',
            "surrogate": b'{"query":{"match":{"body":"\\ud800"}}}',
            "low_surrogate": b'{"query":{"match":{"body":"\\udc00 river"}}}',
            "key_of_surrogate": b'{"\\ud800":1}',
            "coded_surrogate": b'{"query":{"match":{"body":"\xed\xa0\x80"}}}',
            "overlong": b'{"query":{"match":{"body":"\xc0\xaf"}}}',
            "nul": b'{"query":{"match":{"body":"a\x00b"}}}',
            "escaped_nul": b'{"query":{"match":{"body":"a\\u0000 river"}}}',
            "bom": b"\xef\xbb\xbf" + QUERY,
            "utf16": QUERY.decode().encode("utf-16"),
            "utf32": QUERY.decode().encode("utf-32-be"),
            "nan": QUERY[:-1] + b',"min_score":NaN}',
            "long_number": QUERY[:-1] + b',"size":' + b"9" * 5000 + b"}",
            "huge_number": QUERY[:-1] + b',"size":1e999999999}',
            "tail": QUERY + b"x",
            "two": QUERY * 2,
            "array": b"[]",
            "comment": b"/**/" + QUERY,
            "single_quotes": QUERY.replace(b'"', b"'"),
            "null": b"null",
            "text": b'"x"',
            "number": b"1",
            "space": b"  ",
            "empty": b"",
            "cut": QUERY[:-3],
        }.items()
    ),
    same("document_of_surrogate", (put(b'{"body":"\\ud800"}'),)),
    same("document_empty", (put(b""),)),
    same("template_empty", post("/bad/_search/template", b"")),
    *(
        same(f"msearch_{name}", post("/bad/_msearch", body, kind=LINES))
        for name, body in {
            "empty": b"",
            "not_ended": SEARCHES[:-1],
            "crlf": SEARCHES.replace(b"\n", b"\r\n"),
            "blank": b"\n\n" + SEARCHES,
            "no_header": b"\n" + QUERY + b"\n",
            "odd": SEARCHES + b"{}\n",
            "cr": SEARCHES.replace(b"\n", b"\r"),
            "of_no_utf8": b'{}\n{"query":{"match":{"body":"\xff"}}}\n',
            "index_of_number": b'{"index":5}\n{}\n',
        }.items()
    ),
    same("bulk_not_ended", post("/_bulk?filter_path=errors,error,status", BULK[:-1], kind=LINES)),
    same("bulk_crlf", post("/_bulk?filter_path=errors,error,status", BULK.replace(b"\n", b"\r\n"), kind=LINES)),
    *(
        Row(f"gzip_{name}", post(SEARCH, body, GZIP))
        for name, body in {
            "cut": PACKED[:-9],
            "sum_missing": PACKED[:-4],
            "none": QUERY,
            "tail": PACKED + b"junk",
            "sum_wrong": PACKED[:-8] + bytes(8),
            "empty": b"",
        }.items()
    ),
    same("gzip_in_two", post(SEARCH, gzip.compress(QUERY[:9], mtime=0) + gzip.compress(QUERY[9:], mtime=0), GZIP)),
    Row("gzip_none_write", (put(SOURCE, GZIP),)),
    same("bomb_taken", post(SEARCH, BOMB, GZIP), limit_s=60),
    same("bomb_too_large", post(SEARCH, BIG_BOMB, GZIP), limit_s=60),
    same("bomb_msearch", post("/bad/_msearch", BIG_BOMB, GZIP, kind=LINES), limit_s=60),
    *(
        Row(f"coded_{at}", post(SEARCH, body, f"Content-Encoding: {coding}"))
        for at, (coding, body) in enumerate(
            [
                ("br", QUERY),
                ("zstd", QUERY),
                ("deflate", QUERY),
                ("deflate", zlib.compress(QUERY)),
                ("nonsense", QUERY),
                ("", QUERY),
                ("x-gzip", PACKED),
                ("gzip, gzip", gzip.compress(PACKED, mtime=0)),
                ("gzip, identity", PACKED),
            ]
        )
    ),
    same("coded_upper_case", post(SEARCH, PACKED, "Content-Encoding: GZIP")),
    same("coded_identity", post(SEARCH, QUERY, "Content-Encoding: identity")),
]
ROWS = [*HEADERS, *FRAMES, *VERSIONS, *TARGETS, *BODIES]
