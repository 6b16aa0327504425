from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from es_rerank.model import FetchPhase, FetchSpec, LongDocumentMode, LongDocuments, Plan, Rule, RuleMode
from es_rerank.search.formats.async_search import AsyncSearchResponse, read, recall, token, write
from tests.search.builders import a_plan
from tests.search.strategies import JSON

ENGINE_ID = "FmFzeW5jLXNlYXJjaC0wMDAxAAAAAAAAAAcbbm9kZS0xOjQyOjEyMw=="
INNER = b'{"took":3,"hits":{"hits":[{"_id":"1","_score":1.50,"_source":{"n":123456789012345678901234567890}}]}}'
TIMES = b'"start_time_in_millis":1583945890986,"expiration_time_in_millis":1584377890986'

RULE = Rule("books", fields=("title", "body"), template="title: {title}", window=50)
PLAN = a_plan(text="leaking hose repair", rule=replace(RULE, template=None))


def elastic(*, running: bool, partial: bool, rest: bytes = b',"response":' + INNER) -> bytes:
    flags = b'"is_partial":%b,"is_running":%b' % tuple(msgspec.json.encode(flag) for flag in (partial, running))
    return b'{"id":"%b",%b,%b%b}' % (ENGINE_ID.encode(), flags, TIMES, rest)


def plugin(state: str, rest: bytes = b',"response":' + INNER) -> bytes:
    return b'{"id":"%b","state":"%b",%b%b}' % (ENGINE_ID.encode(), state.encode(), TIMES, rest)


def wrapped(body: bytes) -> AsyncSearchResponse:
    found = read(body)
    assert found
    return found


def inner(body: bytes) -> bytes | None:
    span = wrapped(body).response
    return span.of(body) if span else None


STATUS = b',"_shards":{"total":5,"successful":5,"skipped":0,"failed":0},"completion_status":200'
FAILED = b',"error":{"type":"status_exception","reason":"error while executing search"}'

# A response, whether it is final, and the search response in it.
RESPONSES: list[tuple[bytes, bool, bytes | None]] = [
    (elastic(running=True, partial=True), False, INNER),
    (elastic(running=False, partial=False), True, INNER),
    (elastic(running=False, partial=True), False, INNER),
    (elastic(running=True, partial=False), False, INNER),
    (elastic(running=False, partial=False, rest=STATUS), False, None),
    (elastic(running=False, partial=False, rest=b',"response":null'), False, None),
    (elastic(running=False, partial=True, rest=FAILED), False, None),
    (plugin("INIT", b""), False, None),
    (plugin("RUNNING"), False, INNER),
    (plugin("SUCCEEDED"), True, INNER),
    (plugin("PERSISTING"), True, INNER),
    (plugin("PERSIST_SUCCEEDED"), True, INNER),
    (plugin("PERSIST_FAILED"), True, INNER),
    (plugin("STORE_RESIDENT"), True, INNER),
    (plugin("CLOSED"), True, INNER),
    (plugin("FAILED", FAILED), False, None),
    (plugin("STORE_RESIDENT", FAILED), False, None),
    (plugin("PERSISTING", b',"response":' + INNER + FAILED), False, INNER),
]


@pytest.mark.parametrize(("body", "final", "response"), RESPONSES)
def test_responses_of_both_engines_are_read(body: bytes, final: bool, response: bytes | None) -> None:
    found = wrapped(body)
    assert (found.id, found.final, inner(body)) == (ENGINE_ID, final, response)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        INNER,
        b'{"acknowledged":true}',
        b'{"error":{"type":"resource_not_found_exception"},"status":404}',
        b'{"id":"x","is_running":false}',
        b'{"id":"x","is_running":"false","is_partial":"false"}',
        b'{"id":"x","state":"DONE"}',
        b'{"id":"x","state":[]}',
        b'{"id":"x","id":"y","is_running":false,"is_partial":false}',
        b'{"id":"x","is_running":false,"is_partial":false,"response":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id":"\xff","is_running":false,"is_partial":false}',
    ],
)
def test_any_other_body_is_none(body: bytes) -> None:
    assert read(body) is None


def test_a_response_that_is_not_stored_has_no_id() -> None:
    body = b'{"is_partial":false,"is_running":false,"response":{"took":1}}'
    found = wrapped(body)
    assert (found.id, found.id_span, found.final) == (None, None, True)
    assert write(found, "client", b"{}") == b'{"is_partial":false,"is_running":false,"response":{}}'


@pytest.mark.parametrize("body", [body for body, _, _ in RESPONSES])
def test_a_response_with_nothing_replaced_is_unchanged(body: bytes) -> None:
    assert write(wrapped(body), None, None) == body


def test_only_the_id_and_the_search_response_are_replaced() -> None:
    pretty = b'{\n "x" : 1.50,\n "id" : "a\\/b", "is_partial" : false, "is_running":false,"response" : { }, "y":1e9}\n'
    found = wrapped(pretty)
    assert found.id == "a/b"
    assert write(found, 'cl"ient', INNER) == pretty.replace(b'"a\\/b"', b'"cl\\"ient"').replace(b"{ }", INNER)
    assert write(found, "client", None) == pretty.replace(b'"a\\/b"', b'"client"')
    assert write(found, None, INNER) == pretty.replace(b"{ }", INNER)


def only(rule: Rule) -> Callable[[str], Rule | None]:
    return lambda name: rule if name == rule.name else None


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, rule=RULE),
        replace(PLAN, rule=replace(RULE, long=LongDocuments(LongDocumentMode.MAX_PASSAGE, 256))),
        replace(PLAN, start=60, fetch=FetchSpec(FetchPhase.WINDOW, 60, 10), window=0),
        replace(
            PLAN, extra_fields=("title", "body"), client_fields=("title",), min_score=0.25, without_stored_fields=True
        ),
        replace(PLAN, text="漏水软管 😀", passage_fields=("описание",)),
        replace(PLAN, text="", passage_fields=()),
    ],
)
def test_a_plan_is_recalled_from_an_id(plan: Plan) -> None:
    client_id = token(ENGINE_ID, plan)
    rule = replace(RULE, long=LongDocuments(None, plan.rule.long.max_passage_tokens))
    assert recall(client_id, only(rule)) == (ENGINE_ID, plan)


def test_an_id_is_short_and_safe_in_a_url() -> None:
    client_id = token(ENGINE_ID, PLAN)
    assert len(client_id) < len(ENGINE_ID) + 110
    assert set(client_id.removeprefix(ENGINE_ID)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )


def test_a_rule_is_the_one_in_force_now() -> None:
    narrow = replace(RULE, window=20, deadline=9.0)
    found = recall(token(ENGINE_ID, PLAN), only(narrow))
    assert found
    assert found[1] == replace(PLAN, window=20, rule=replace(narrow, template=None))


def test_without_its_rule_the_page_is_cut_in_the_engines_order() -> None:
    plan = replace(PLAN, rule=RULE)
    found = recall(token(ENGINE_ID, plan), only(Rule("other")))
    assert found
    assert found[1] == replace(plan, rule=Rule("books", mode=RuleMode.OFF))


@pytest.mark.parametrize(
    "large",
    [
        replace(PLAN, text="x" * 40_000),
        replace(PLAN, passage_fields=tuple(f"field.{number}" for number in range(5000))),
        replace(PLAN, extra_fields=tuple(f"field.{number}" for number in range(5000))),
    ],
)
def test_only_the_page_of_a_plan_too_large_for_a_url_is_packed(large: Plan) -> None:
    plan = replace(large, rule=RULE, start=3, without_stored_fields=True, client_fields=("title",))
    page = replace(
        plan, rule=replace(RULE, template=None), text="", passage_fields=(), extra_fields=(), client_fields=()
    )
    assert recall(token(ENGINE_ID, plan), only(RULE)) == (ENGINE_ID, page)


def test_the_largest_plan_still_fits_into_a_url() -> None:
    texts = ["".join(chr(0x4E00 + at * 7919 % 20_000) for at in range(size)) for size in range(10_850, 10_950)]
    tokens = [token(ENGINE_ID, replace(PLAN, text=text)) for text in texts]
    found = [recall(one, only(RULE)) for one in tokens]
    kept = [one is not None and bool(one[1].text) for one in found]
    assert kept == sorted(kept, reverse=True)
    assert kept[0]
    assert not kept[-1]
    assert None not in found
    assert max(map(len, tokens)) < 48_000


def test_a_plan_of_up_to_32_kibibytes_is_packed_whole() -> None:
    found = [recall(token(ENGINE_ID, replace(PLAN, text="x" * size)), only(RULE)) for size in range(32_680, 32_760)]
    sizes = [len(one[1].text) for one in found if one]
    assert len(sizes) == len(found)
    largest = max(sizes)
    assert sizes == [*range(32_680, largest + 1), *[0] * (32_759 - largest)]
    plain = zlib.decompress(base64.urlsafe_b64decode(token("", replace(PLAN, text="x" * largest))[3:] + "=="))
    assert len(plain) == 32 * 1024
    rest = len(msgspec.msgpack.encode(changed(0, "x" * 40_000))) - 40_000
    whole, larger = (packed(changed(0, "x" * (size - rest))) for size in (32 * 1024, 32 * 1024 + 1))
    assert recall(whole, only(RULE)) is not None
    assert recall(larger, only(RULE)) is None


def packed(value: Any) -> str:
    data = value if isinstance(value, bytes) else msgspec.msgpack.encode(value)
    return f"{ENGINE_ID}.r1{base64.urlsafe_b64encode(zlib.compress(data)).rstrip(b'=').decode()}"


GOOD: list[Any] = ["q", 0, 10, 0, 50, 50, "books", ["title"], [], [], None, False, False, False]


def changed(place: int, value: Any) -> list[Any]:
    return [*GOOD[:place], value, *GOOD[place + 1 :]]


def test_the_packed_plan_that_the_tests_below_change() -> None:
    assert recall(packed(GOOD), only(RULE)) == (
        ENGINE_ID,
        replace(PLAN, text="q", rule=RULE, passage_fields=("title",)),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ENGINE_ID,
        f"{ENGINE_ID}.r1",
        f"{ENGINE_ID}.r2{packed(GOOD).partition('.r1')[2]}",
        packed(GOOD).removeprefix(ENGINE_ID),
        packed(GOOD) + "AAAA",
        packed(GOOD) + "\n",
        packed(GOOD)[:-1],
        packed(GOOD).replace(".r1", ".r1 "),
        f"{ENGINE_ID}.r1é",
        packed(GOOD[:-1]),
        packed([*GOOD, 1]),
        packed([*GOOD, [], False, "", [], 1]),
        packed([*GOOD, [], 0]),
        packed(changed(5, -1)),
        packed(changed(3, 2**31)),
        packed({"text": "q"}),
        packed(None),
        packed(b""),
        packed(b"\xc1"),
        packed(b"\x91" * 30_000),
        packed(msgspec.msgpack.encode(GOOD) + b"\0"),
        packed(b"\0" * 10_000_000),
        packed(changed(0, 1)),
        packed(changed(0, "")),
        packed(changed(0, b"q")),
        packed(changed(0, "q" * 40_000)),
        packed(changed(1, -1)),
        packed(changed(1, value=True)),
        packed(changed(2, 2**31)),
        packed(changed(3, 1)),
        packed(changed(4, 1.0)),
        packed(changed(5, 1001)),
        packed(changed(6, None)),
        packed(changed(7, [])),
        packed(changed(7, ["a", 1])),
        packed(changed(8, "title")),
        packed(changed(10, float("nan"))),
        packed(changed(10, float("inf"))),
        packed(changed(10, "0.5")),
        packed(changed(11, 0)),
    ],
)
def test_an_id_without_a_possible_plan_is_none(text: str) -> None:
    assert recall(text, only(RULE)) is None


CHUNKS = LongDocuments(LongDocumentMode.MAX_PASSAGE)
COUNTS = st.integers(0, 2**31 - 1)
TEXTS = st.text(max_size=60)
NAMES = st.lists(st.text(max_size=20), max_size=6).map(tuple)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    start = draw(COUNTS)
    return Plan(
        text=draw(TEXTS.filter(bool)),
        start=start,
        size=draw(COUNTS),
        fetch=FetchSpec(FetchPhase.WINDOW, draw(st.integers(0, start)), draw(COUNTS)),
        window=draw(st.integers(0, 50)),
        rule=draw(
            st.sampled_from(
                [RULE, replace(RULE, template=None), replace(RULE, long=LongDocuments(LongDocumentMode.MAX_PASSAGE))]
            )
        ),
        passage_fields=draw(NAMES.filter(bool)),
        extra_fields=draw(NAMES),
        client_fields=draw(NAMES),
        min_score=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        without_stored_fields=draw(st.booleans()),
    )


@given(plans())
def test_every_plan_is_recalled_from_its_id(plan: Plan) -> None:
    assert recall(token(ENGINE_ID, plan), only(RULE)) == (ENGINE_ID, plan)


def bounded(found: tuple[str, Plan] | None) -> bool:
    if found is None:
        return True
    plan = found[1]
    return (
        0 <= plan.fetch.from_ <= plan.start < 2**31
        and 0 <= plan.fetch.size < 2**31
        and 0 <= plan.window <= RULE.window
        and 0 <= plan.size < 2**31
        and plan.fetch.phase is FetchPhase.WINDOW
        and not plan.fetch.only
    )


@given(plans(), st.data())
def test_a_changed_id_has_no_plan_or_one_within_bounds(plan: Plan, data: st.DataObject) -> None:
    client_id = token(ENGINE_ID, plan)
    at = data.draw(st.integers(0, len(client_id) - 1))
    new = data.draw(st.text("ABCxyz019-_=.% \n\x00é", max_size=3))
    assert bounded(recall(client_id[:at] + new + client_id[at + 1 :], only(RULE)))


@given(st.lists(JSON | st.binary(), min_size=14, max_size=14) | JSON | st.binary())
def test_any_value_in_an_id_is_no_plan_or_one_within_bounds(value: Any) -> None:
    try:
        client_id = packed(value)
    except (OverflowError, msgspec.MsgspecError):
        return
    assert bounded(recall(client_id, only(RULE)))


@given(st.integers(0, len(GOOD) - 1), JSON)
def test_one_changed_value_in_an_id_is_no_plan_or_one_within_bounds(place: int, value: Any) -> None:
    try:
        client_id = packed(changed(place, value))
    except (OverflowError, msgspec.MsgspecError):
        return
    assert bounded(recall(client_id, only(RULE)))


@given(st.text())
def test_any_other_id_is_none(text: str) -> None:
    assert recall(text, only(RULE)) is None


WORDS = st.sampled_from(["id", "is_running", "is_partial", "state", "response", "error"])
VALUES = JSON | st.booleans() | st.sampled_from(["RUNNING", "SUCCEEDED", "CLOSED"])
# Valid responses of both engines, at most one member of which is replaced by any value.
STATUSES = st.builds(
    lambda status, response, odd: {"id": "x", **status, **response, **odd},
    st.one_of(
        st.fixed_dictionaries({"is_running": st.booleans(), "is_partial": st.booleans()}),
        st.fixed_dictionaries({"state": st.sampled_from(["RUNNING", "SUCCEEDED", "CLOSED", "FAILED"])}),
    ),
    st.sampled_from([{"response": {"took": 3}}, {}]),
    st.dictionaries(WORDS, VALUES, max_size=1),
)
ANY_RESPONSES = STATUSES | st.dictionaries(WORDS, VALUES) | JSON


def test_any_bytes_are_a_response_or_none() -> None:
    found: list[AsyncSearchResponse | None] = []

    @given(ANY_RESPONSES.map(msgspec.json.encode) | st.binary())
    def check(body: bytes) -> None:
        response = read(body)
        found.append(response)
        assert response is None or write(response, None, None) == body
        assert response is None or not response.final or response.response

    check()
    assert None in found
    assert any(response and response.final for response in found)
    assert any(response and not response.final for response in found)


def test_any_response_is_written_as_json() -> None:
    written: list[set[str]] = []

    def check(value: Any, client_id: str | None, response: bytes | None) -> None:
        body = msgspec.json.encode(value)
        found = read(body)
        if found is None:
            return
        new = msgspec.json.decode(write(found, client_id, response), type=dict[str, msgspec.Raw])
        old = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        replaced = {name for name, there in (("id", client_id), ("response", response)) if there}
        written.append({name for name in replaced & old.keys() if bytes(new[name]) != bytes(old[name])})
        assert list(new) == list(old)
        assert all(bytes(new[name]) == bytes(old[name]) for name in old if name not in replaced)

    for responses in (STATUSES, st.dictionaries(WORDS, VALUES)):
        given(responses, st.sampled_from([None, "client"]), st.sampled_from([None, INNER]))(check)()
    assert {name for names in written for name in names} == {"id", "response"}
