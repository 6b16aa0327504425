"""Writes the requests that the engine gets for a planned search."""
