"""Limits of HTTP messages, the same towards clients and towards the engine."""

from __future__ import annotations

# The engines accept 4 KB of request line and 16 KB of headers by default; operators raise both.
MAX_LINE_BYTES = 64 * 1024
MAX_FIELD_BYTES = 64 * 1024
# As many as fit into 16 KB.
MAX_HEADERS = 4096
# What is read ahead of a slow receiver. A larger buffer no longer fits into the processor's cache.
READ_BUFFER_BYTES = 64 * 1024
