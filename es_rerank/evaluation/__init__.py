"""Measures search quality on judged queries, with and without reranking. Optional: it needs `es-rerank[eval]`."""
