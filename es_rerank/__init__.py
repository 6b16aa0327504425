"""es-rerank: an Elasticsearch and OpenSearch endpoint that reranks search results with a local model.

Glossary, used with the same meaning in code, settings, metrics, headers and docs:

endpoint      a method and path for searches (`_search`, `_msearch`, ...); all other requests are passed through
search        one search, independent of its endpoint
rule          one file in mappings/: index pattern -> passage text, window, model settings, score policy
plan / skip   the hits, fields and page of a search that will be reranked, or the reason why it is not reranked
query phase   a request for the window, with only the fields that the model reads
fetch phase   a request for the page in full
window        the hits that the model reads (Elasticsearch: rank window)
passage       the text of one hit, or a chunk of it, that the model reads
backend       the API of a rerank server (vLLM, TEI, Infinity, Cohere- or Jina-like)
vector        the result of an embedding model for one text; the score of a passage is the cosine of two vectors
profile       the prompt template, prefixes, instruction, limits and vLLM flags of one model family
policy        the formula that computes the new `_score` from the scores of the engine and of the model
outcome       the result of a search: reranked n of m, skipped (why), failed (why), shadow

One `_search`, module by module:

    server.listen                        accepts the connection and rejects invalid HTTP
    server.app                           matches the path with search.formats.endpoints; without a match:
                                         server.passthrough streams the request to the engine and the response back
    server.handlers.search               parses the body and runs the pipeline
    pipeline                             calls the steps below in this order
      search.plan                        plans the search, or skips it with a reason
        search.query_text.extract        finds the query text
        engine_client.field_caps         resolves the index and its fields
      search.engine_request.by_endpoint  writes the request of the query phase
      engine_client.client               sends it to a node of the engine
      search.response.hits               finds the hits in the response
      search.passages                    builds the passage of each hit
      rerank_client.client               scores query and passages, from the cache or on a rerank server
        rerank_client.window_reading     digests the documents and cuts them into passages
        rerank_client.window_scoring     looks up cached scores, sheds load, requests the other scores
        rerank_client.vector_scoring     does the same with vectors, for embedding models on vLLM
        rerank.prompt, rerank.chunking   cut and format texts for the model
        rerank_client.pool               selects the server and enforces the limits
        rerank.backends                  encodes the request and decodes the scores
      search.scoring                     applies the policy: new order and scores
      search.engine_request.two_phase    writes the request of the fetch phase, if there is one
      search.response.rewrite            splices order and scores into the engine's response
    server.responses                     sends it to the client

tests/test_structure.py has the levels of imports, and CONTRIBUTING.md the map.
"""
