"""The model side: how rerank servers and model families are asked. Knows nothing of Elasticsearch."""
