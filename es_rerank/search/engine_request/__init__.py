"""Builds the requests that es-rerank sends to the engine for a planned search."""
