"""The meaning and the remedy of each reason for not reranking, for the docs, `explain` and the admin page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from es_rerank.model import Why


class Reason(NamedTuple):
    """The meaning of a reason, and what operators or clients can do. Texts are sentences with names in backticks."""

    means: str
    do: str


ENGINE_UNREACHABLE = Reason(
    "es-rerank cannot connect to the engine. Every request gets status 502.",
    "Check that the engine runs, and that `upstream` is its URL, with `https` if it uses TLS. If its certificate is "
    "not trusted, set `upstream_ca` or `upstream_fingerprint`.",
)
"""The meaning and the remedy if the engine cannot be reached. Single searches do not have this reason."""

_NOTHING = "Nothing. This is expected."
_SERVER = "Check the rerank server's log. es-rerank reranks searches again as soon as the server responds."

REASONS: Mapping[Why, Reason] = {
    Why.OFF: Reason("`X-Rerank-Mode: off` or `mode: off` in the rule disables reranking.", _NOTHING),
    Why.SHADOW: Reason(
        "In shadow mode, searches get the engine's order. es-rerank only measures what reranking would change.",
        _NOTHING,
    ),
    Why.SAMPLED_OUT: Reason("The rule has `mode: sample`, and this search is not in the sample.", _NOTHING),
    Why.NOT_A_SEARCH: Reason("The request is not a search. es-rerank passes it through.", _NOTHING),
    Why.UNREADABLE: Reason(
        "The request body is not a valid search.",
        "Correct the request. The engine's error response says what is wrong.",
    ),
    Why.TOO_LARGE: Reason(
        "The request body exceeds `max_body`, or has more than 1,000 searches, object members or field patterns.",
        "Raise `max_body`, or send fewer searches per request.",
    ),
    Why.TOO_COMPLEX: Reason(
        "The search has so many values, objects or field patterns that planning it would delay other requests.",
        "Send fewer clauses and field patterns per search.",
    ),
    Why.OUT_OF_MEMORY: Reason(
        "The request bodies and engine responses of all searches together have reached `max_memory`.",
        "Raise `max_memory`, or add workers or replicas.",
    ),
    Why.FORMAT: Reason(
        "The request or the response is not JSON, or its content encoding is not supported.",
        "Send and request JSON, uncompressed or compressed with gzip.",
    ),
    Why.FILTER_PATH: Reason("The `filter_path` of the request leaves no hits in the response.", _NOTHING),
    Why.SORT: Reason("The request sorts hits by something other than relevance.", _NOTHING),
    Why.SCROLL: Reason("The request is a scroll, which reads all hits in the engine's order.", _NOTHING),
    Why.SEARCH_AFTER: Reason(
        "The request uses `search_after`, which continues after a hit in the engine's order.",
        "Use `from` and `size` to page.",
    ),
    Why.POINT_IN_TIME: Reason(
        "The request has `pit` and `sort`. Clients page through such a search with `search_after`, in the engine's "
        "order.",
        _NOTHING,
    ),
    Why.SLICE: Reason("The request is a sliced search, which reads all hits in the engine's order.", _NOTHING),
    Why.SIZE_ZERO: Reason("The request has `size: 0`, so there are no hits to rerank.", _NOTHING),
    Why.STORED_FIELDS: Reason(
        "The request has `stored_fields: _none_` and highlights or inner hits, which engines handle differently.",
        "Remove `stored_fields: _none_`, or remove highlights and inner hits.",
    ),
    Why.TOP_HITS: Reason(
        "The request filters `_source`, and its `top_hits` aggregation would return fields that only the model reads.",
        "Request the whole `_source`, or remove `top_hits`.",
    ),
    Why.SEARCH_PIPELINE: Reason(
        "The search pipeline of the request or of the index sets `from` or `size`, or reads or changes the list of "
        "hits as a whole, or es-rerank could not read its definition.",
        "Send `search_pipeline=_none`, or grant the caller the privilege to read the definition of the pipeline.",
    ),
    Why.UBI: Reason(
        "The request has `ext.ubi`, so OpenSearch's UBI plugin records the ids of its hits. If es-rerank reranked this "
        "search, the plugin would record other hits than the client gets. The cause is another part of the request: "
        "`sort`, `explain`, a `size` above 200, a second member of `ext`, or a part with which the search needs a "
        "single engine request. Or the engine is too slow to answer two requests before the deadline.",
        "Remove that part of the request. Or remove `ext.ubi`, and set `ubi_log`: es-rerank then writes the records.",
    ),
    Why.OWN_RERANKER: Reason("The request uses a reranker that the engine runs.", _NOTHING),
    Why.NO_QUERY_TEXT: Reason(
        "es-rerank found no query text in the query context of the request.",
        "Compare the query with the table of clauses in the reference, or send the query text in `X-Rerank-Query`.",
    ),
    Why.QUERY_HEADER: Reason(
        "The rule has `query_header: deny`. The request sets the query text in the header `X-Rerank-Query`, or it "
        "polls an async search whose first request may have set it.",
        "Send the search without the header, and to `_search` instead of `_async_search`.",
    ),
    Why.HIDDEN_INDEX: Reason("The search names a hidden index, whose name starts with a dot.", _NOTHING),
    Why.NO_RULE: Reason(
        "No rule matches an index of the search.",
        "Add a rule for this index to the folder that the setting `mappings` names.",
    ),
    Why.RULES_DIFFER: Reason(
        "Different rules apply to the indices of the search.",
        "Search the indices separately, or use the same rule for all of them.",
    ),
    Why.NO_TEXT_FIELDS: Reason("The mapping of the index has no text field.", "Set `fields` in a rule for the index."),
    Why.MAPPING: Reason(
        "The engine did not return the fields of the index, or took more than half of the deadline to return them. Or "
        "hits are from an index that es-rerank does not know yet, because the index is new or an alias was changed. "
        "The next search is then reranked.",
        "Check that the index exists, grant the caller the privilege to read it, or raise `deadline`.",
    ),
    Why.BEYOND_WINDOW: Reason("The requested page starts after the window.", "Raise `window` to rerank later pages."),
    Why.FEW_HITS: Reason("The search has fewer than two hits.", _NOTHING),
    Why.NO_PASSAGES: Reason(
        "No hit in the window has text in the fields that the model reads.", "Check `fields` in the rule."
    ),
    Why.ENGINE_ERROR: Reason(
        "The engine rejected the request for the hits of the window, a shard failed, or the engine's response was cut "
        "off or is larger than `max_answer`.",
        "Read the engine's log, lower `window`, or raise `max_answer`.",
    ),
    Why.ENGINE_ANSWER: Reason(
        "The engine's response has no list of hits with scores. Or the index changed between the query phase and the "
        "fetch phase, and the engine no longer finds a hit of the page.",
        _NOTHING,
    ),
    Why.PARTIAL: Reason(
        "The async search is still running. es-rerank reranks only the final response.",
        "Request the search again with the id in the response.",
    ),
    Why.DEADLINE: Reason(
        "The deadline passed, or was too close for the model to respond in time.",
        "Raise `deadline`, lower `window`, or add a GPU.",
    ),
    Why.UNREACHABLE: Reason(
        "es-rerank cannot connect to the rerank server.", "Start the rerank server, and check the setting `reranker`."
    ),
    Why.REFUSED: Reason(
        "The rerank server rejected es-rerank's request (HTTP 4xx).",
        "Check `profile`, `model`, `backend` and `reranker_api_key`.",
    ),
    Why.RERANKER_ERROR: Reason("The rerank server responded with an error (HTTP 5xx).", _SERVER),
    Why.BAD_ANSWER: Reason(
        "The rerank server's response does not have exactly one finite score for each text.",
        "Check whether `backend` matches the server's API.",
    ),
    Why.TOO_LONG: Reason(
        "A passage was too long for the model, even after es-rerank had cut it in half.",
        "Set `tokenizer`, or lower `max_passage_tokens`.",
    ),
    Why.BREAKER: Reason(
        "The rerank server failed repeatedly, so its circuit breaker is open and it gets no requests.", _SERVER
    ),
    Why.OVERLOADED: Reason(
        "The queue for the rerank servers is full, the expected waiting time exceeds the time left, or a rerank server "
        "responded with HTTP 429.",
        "Add a GPU, or lower `window`.",
    ),
    Why.INTERNAL: Reason(
        "An error in es-rerank occurred. The log has the traceback.", "Report the error with the traceback."
    ),
    Why.SELF_TEST: Reason(
        "The rerank server has not passed the self-test: it did not rank the known pairs correctly, or has not yet "
        "responded.",
        "Start vLLM with `es-rerank model serve`, and check `profile`.",
    ),
}
