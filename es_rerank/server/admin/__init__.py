"""The admin pages, below `/_rerank`: a web page, health checks, metrics, explanations, and ranking of given texts."""
