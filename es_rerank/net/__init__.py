"""HTTP messages as bytes: TLS, headers, bodies, content encodings, limits and connection errors."""
