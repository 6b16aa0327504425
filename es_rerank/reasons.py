"""What each Why means and what a person can do about it: one row each, for the docs and the logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from es_rerank.model import Why


class Reason(NamedTuple):
    """What happened, in a sentence; and what to do, or that nothing needs doing."""

    means: str
    do: str


_NOTHING = "Nothing: this is as it should be."
_SERVER = "See the rerank server's log; searches are reranked again as soon as it answers."

REASONS: Mapping[Why, Reason] = {
    Why.OFF: Reason("The request says `X-Rerank-Mode: off`, or the rule `mode: off`.", _NOTHING),
    Why.SHADOW: Reason("What reranking would change is measured; the answer is the engine's own.", _NOTHING),
    Why.SAMPLED_OUT: Reason("The rule has `mode: sample`, and this search is not in its share.", _NOTHING),
    Why.NOT_A_SEARCH: Reason("The request is no search: it is streamed through.", _NOTHING),
    Why.UNREADABLE: Reason("The request is not a search body that can be read.", "Read the engine's own error."),
    Why.TOO_LARGE: Reason(
        "The request body is over `max_body`, or it holds over a thousand searches, members or patterns of fields.",
        "Raise `max_body`, or send fewer at a time.",
    ),
    Why.FORMAT: Reason("Request or answer is YAML, CBOR, SMILE or in a coding other than gzip.", "Ask for JSON."),
    Why.SORT: Reason("The order asked for is not relevance.", _NOTHING),
    Why.SCROLL: Reason("A scroll is an export.", _NOTHING),
    Why.SEARCH_AFTER: Reason("The page is a cursor into the engine's order.", "Page with `from` and `size`."),
    Why.POINT_IN_TIME: Reason("A sorted point in time is walked with cursors into the engine's order.", _NOTHING),
    Why.SLICE: Reason("A sliced search is an export.", _NOTHING),
    Why.SIZE_ZERO: Reason("No hits are asked for.", _NOTHING),
    Why.STORED_FIELDS: Reason(
        "`stored_fields: _none_` beside highlights or inner hits: what a hit then holds is each engine's own.",
        "Leave one of them out.",
    ),
    Why.TOP_HITS: Reason(
        "`top_hits` beside a filtered source: Elasticsearch would show there what the model reads.",
        "Ask for the whole `_source`.",
    ),
    Why.OWN_RERANKER: Reason("The request has the engine's own reranker do it, or several of them.", _NOTHING),
    Why.NO_QUERY_TEXT: Reason(
        "No words were typed in scoring context.", "If there were: the clause table in the reference."
    ),
    Why.HIDDEN_INDEX: Reason("The index name starts with a dot.", _NOTHING),
    Why.NO_RULE: Reason("No rule is for one of the indices.", "Add a rule to the mappings folder."),
    Why.RULES_DIFFER: Reason("The indices have different rules.", "Search them one by one, or give them one rule."),
    Why.NO_TEXT_FIELDS: Reason("The mapping has no text field.", "Name `fields` in a rule."),
    Why.MAPPING: Reason(
        "The engine did not tell the fields of the index, or not in half of the deadline.",
        "Give the caller the right to read it.",
    ),
    Why.BEYOND_WINDOW: Reason("The page lies beyond the window.", "Raise `window` if deep pages should be reranked."),
    Why.FEW_HITS: Reason("There are fewer than two hits.", _NOTHING),
    Why.NO_PASSAGES: Reason("No hit in the window has a text.", "Check the `fields` of the rule."),
    Why.ENGINE_ERROR: Reason("The engine refused the wider page; the request was sent as it came.", "Lower `window`."),
    Why.ENGINE_ANSWER: Reason("The engine's answer has no plain list of scored hits.", _NOTHING),
    Why.PARTIAL: Reason("The engine is still searching; the final answer is reranked.", "Ask again by the id."),
    Why.DEADLINE: Reason(
        "The deadline was over, or would have been before the model answered.",
        "Raise `deadline`, lower `window`, or add a GPU.",
    ),
    Why.UNREACHABLE: Reason("The rerank server cannot be reached.", "Start it; check `reranker`."),
    Why.REFUSED: Reason("The rerank server refused the request (4xx).", "Check `model`, `backend` and the API key."),
    Why.RERANKER_ERROR: Reason("The rerank server failed (5xx).", _SERVER),
    Why.BAD_ANSWER: Reason("The rerank server's answer is no full set of finite scores.", "Check `backend`."),
    Why.TOO_LONG: Reason("A text was too long even cut to half.", "Set `tokenizer`, or lower `max_passage_tokens`."),
    Why.BREAKER: Reason("The rerank server failed and is given a pause.", _SERVER),
    Why.OVERLOADED: Reason("Too many searches wait for the rerank server.", "Add a GPU, or lower `window`."),
    Why.INTERNAL: Reason("es-rerank itself failed; its log has the traceback.", "Report it, please."),
    Why.SELF_TEST: Reason(
        "The known pairs of the self-test have not come out in order.",
        "Start vLLM with `es-rerank model serve`; check `profile`.",
    ),
}
