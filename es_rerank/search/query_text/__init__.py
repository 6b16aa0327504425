"""Extracts the text that a user typed from a search body."""
