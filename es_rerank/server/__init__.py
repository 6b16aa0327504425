"""The HTTP endpoint that clients connect to."""
