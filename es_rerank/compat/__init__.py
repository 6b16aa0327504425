"""Emulates another engine version for clients: its media types, version, node addresses and points in time."""
