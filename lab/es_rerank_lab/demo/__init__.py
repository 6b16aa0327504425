"""The demo: compares the rankings of a bundled corpus without and with es-rerank, using a real engine and vLLM.

- corpus: the documents and judged queries in the package
- stack: starts and stops engine, vLLM and endpoint
- client: indexes and searches with the official clients
- measure: success@1 and nDCG@10 of both rankings
- show: prints the results
- run: the demo from start to end
"""
