"""The demo: a search engine, vLLM, a bundled corpus, and the rankings without and with es-rerank.

- corpus: the documents and judged queries in the package
- stack: starts and stops engine, vLLM and endpoint
- client: indexes and searches with the official clients
- measure: success@1 and nDCG@10 of both rankings
- show: prints the results
- run: the demo from start to end
"""
