"""HTTP bytes: TLS, headers, messages, content encodings, stream copies and connection errors."""
