"""Measures throughput and response times under load, with and without reranking. Optional: needs `es-rerank[bench]`."""
