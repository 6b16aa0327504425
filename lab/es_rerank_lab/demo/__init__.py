"""The demo: a real engine, a real vLLM, a bundled corpus, and both orders side by side.

- corpus: the documents and judged queries that come with the package
- stack: starts engine, vLLM and endpoint, and stops all of it
- client: loads and searches through the official clients
- measure: Top-1 and nDCG@10, before and after
- show: what is printed
- run: the story
"""
