"""Reads and validates the operator's configuration: settings and rules."""
