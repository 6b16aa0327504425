"""Size limits of HTTP messages, for connections to clients and to the engine."""

from __future__ import annotations

# By default, the engines accept 4 KB of request line and 16 KB of headers. Operators can raise both limits.
MAX_LINE_BYTES = 64 * 1024
MAX_FIELD_BYTES = 64 * 1024
# The largest number of headers that fits into 16 KB.
MAX_HEADERS = 4096
# Maximum number of bytes that are buffered for a slow receiver. More bytes would not fit into the CPU cache.
READ_BUFFER_BYTES = 64 * 1024
