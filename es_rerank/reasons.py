"""What each reason for not reranking means and what to do about it, for the docs, `explain` and the admin page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from es_rerank.model import Why


class Reason(NamedTuple):
    """What happened, and what to do about it; both are sentences with names in backticks."""

    means: str
    do: str


_NOTHING = "Nothing; this is expected."
_SERVER = "Check the rerank server's log; searches are reranked again as soon as the server responds."

REASONS: Mapping[Why, Reason] = {
    Why.OFF: Reason("Reranking is turned off, by `X-Rerank-Mode: off` or by `mode: off` in the rule.", _NOTHING),
    Why.SHADOW: Reason("The change of order is only measured; the engine's order is returned.", _NOTHING),
    Why.SAMPLED_OUT: Reason("The rule has `mode: sample`, and this search is not in the sample.", _NOTHING),
    Why.NOT_A_SEARCH: Reason("The request is not a search and is passed through.", _NOTHING),
    Why.UNREADABLE: Reason("The body is not a valid search request.", "Correct the request; see the engine's error."),
    Why.TOO_LARGE: Reason(
        "The body is larger than `max_body`, or has more than 1,000 searches, object members or field patterns.",
        "Raise `max_body`, or send fewer searches per request.",
    ),
    Why.FORMAT: Reason(
        "The request or the response is not JSON, or its content encoding is not supported.",
        "Use JSON, uncompressed or with gzip.",
    ),
    Why.SORT: Reason("The hits are not sorted by relevance.", _NOTHING),
    Why.SCROLL: Reason("A scroll exports hits in the engine's order.", _NOTHING),
    Why.SEARCH_AFTER: Reason("`search_after` continues the engine's order.", "Page with `from` and `size`."),
    Why.POINT_IN_TIME: Reason("A sorted search of a point in time is paged in the engine's order.", _NOTHING),
    Why.SLICE: Reason("A sliced search exports hits in the engine's order.", _NOTHING),
    Why.SIZE_ZERO: Reason("No hits are requested.", _NOTHING),
    Why.STORED_FIELDS: Reason(
        "With `stored_fields: _none_`, the content of hits with highlights or inner hits differs between engines.",
        "Remove either of them from the request.",
    ),
    Why.TOP_HITS: Reason(
        "With a filtered `_source`, the `top_hits` aggregation would return fields that only the model reads.",
        "Request the whole `_source`, or remove `top_hits`.",
    ),
    Why.OWN_RERANKER: Reason("The request already uses a reranker of the engine.", _NOTHING),
    Why.NO_QUERY_TEXT: Reason(
        "No query text was found in query context.",
        "Check the query against the table of clauses in the reference, or send `X-Rerank-Query`.",
    ),
    Why.HIDDEN_INDEX: Reason("The name of the index starts with a dot.", _NOTHING),
    Why.NO_RULE: Reason("An index of the search has no rule.", "Add a rule to the folder `mappings`."),
    Why.RULES_DIFFER: Reason(
        "The indices of the search have different rules.", "Search them separately, or use one rule for all of them."
    ),
    Why.NO_TEXT_FIELDS: Reason("The mapping of the index has no text field.", "Set `fields` in a rule."),
    Why.MAPPING: Reason(
        "The engine did not return the fields of the index, or not within half of the deadline.",
        "Grant the caller the privilege to read the index, or raise `deadline`.",
    ),
    Why.BEYOND_WINDOW: Reason("The page starts after the window.", "Raise `window` to rerank later pages."),
    Why.FEW_HITS: Reason("There are fewer than two hits.", _NOTHING),
    Why.NO_PASSAGES: Reason("No hit in the window has text for the model.", "Check `fields` of the rule."),
    Why.ENGINE_ERROR: Reason("The engine rejected the request for the whole window.", "Lower `window`."),
    Why.ENGINE_ANSWER: Reason("The engine's response has no list of scored hits.", _NOTHING),
    Why.PARTIAL: Reason(
        "The asynchronous search is still running; its final response is reranked.", "Request it again by its id."
    ),
    Why.DEADLINE: Reason(
        "The deadline passed, or would have passed before the model responded.",
        "Raise `deadline`, lower `window`, or add a GPU.",
    ),
    Why.UNREACHABLE: Reason(
        "The rerank server cannot be reached.", "Start the rerank server, and check the setting `reranker`."
    ),
    Why.REFUSED: Reason(
        "The rerank server rejected the request (HTTP 4xx).", "Check `model`, `backend` and `reranker_api_key`."
    ),
    Why.RERANKER_ERROR: Reason("The rerank server failed (HTTP 5xx).", _SERVER),
    Why.BAD_ANSWER: Reason(
        "The response of the rerank server does not have one finite score per text.", "Check `backend`."
    ),
    Why.TOO_LONG: Reason(
        "A passage was too long for the model even after it was halved.",
        "Set `tokenizer`, or lower `max_passage_tokens`.",
    ),
    Why.BREAKER: Reason("The circuit breaker is open because the rerank server failed repeatedly.", _SERVER),
    Why.OVERLOADED: Reason("The queue of the rerank servers is full.", "Add a GPU, or lower `window`."),
    Why.INTERNAL: Reason("es-rerank failed; the log has the traceback.", "Report the traceback."),
    Why.SELF_TEST: Reason(
        "The rerank server did not rank the known pairs of the self-test correctly.",
        "Start vLLM with `es-rerank model serve`, and check `profile`.",
    ),
}
