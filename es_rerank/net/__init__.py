"""HTTP messages at the byte level: TLS, headers, bodies, content encodings, limits and connection errors."""
