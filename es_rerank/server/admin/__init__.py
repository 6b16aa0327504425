"""The admin pages below `/_rerank`: a web page, health, metrics and ranking of candidates."""
