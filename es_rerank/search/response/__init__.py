"""Parses and rewrites the engine's search responses."""
