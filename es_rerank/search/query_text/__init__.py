"""Extracts the text that a person typed from a search body."""
