"""The admin pages below `/_rerank`: a web page, health checks, metrics and ranking of candidates."""
