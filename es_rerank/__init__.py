"""es-rerank: an Elasticsearch/OpenSearch endpoint that returns searches in a better order.

Nine words, used with the same meaning in code, docs, metrics, headers and on the page:

Endpoint     a method and path that carries searches (`_search`, ...); anything else is streamed through
Search       one search, whichever endpoint carried it
Rule         one entry of mappings/: index pattern -> document text, window, model, scores
Plan / Skip  what will be done for a Search, or the reason (Why) nothing is
Passage      the text of one hit that the model reads
Backend      the wire dialect of a rerank server (vLLM, TEI, Infinity, Cohere/Jina-shaped)
Profile      how one model family must be asked: template, prefixes, instruction, vLLM flags
Policy       engine scores x model scores -> the `_score` the client sees
Outcome      what happened: reranked n of m, skipped(why), failed(why)

The way of one request, each step in the module of its name:

    client -> listen -> server -> search.endpoints -> flows -> pipeline: search.plan -> upstream -> search.passage
           -> rerank.client -> vLLM -> search.policy -> search.rewrite -> client

Imports form a ladder and each level looks only down (tests/test_structure.py):
0 model, errors, spans / 1 search, rerank, present / 2 pipeline / 3 config, rules, upstream, rerank.client, metrics
/ 4 listen, server, flows, web / 5 cli, parts, demo.
"""
