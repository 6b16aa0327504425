"""Search requests, hits and responses, as pure functions. Nothing here depends on rerank models."""
