"""The Elasticsearch side: pure decisions on requests, hits and answers. Knows nothing of models."""
