"""The paths below `/_rerank`: a status page, health checks, metrics, and ranking of texts that the caller sends."""
