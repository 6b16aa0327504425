"""Measures search quality with judged queries, and finds the rule with the best quality. Needs `es-rerank[eval]`."""
