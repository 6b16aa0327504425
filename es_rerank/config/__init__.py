"""Reads and validates the configuration: settings and rules."""
