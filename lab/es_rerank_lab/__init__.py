"""Starts real search engines and vLLM on this machine, for the demo and the live tests."""
