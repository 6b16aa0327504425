"""Measures search quality on judged queries, and chooses rules by it. Optional: it needs `es-rerank[eval]`."""
