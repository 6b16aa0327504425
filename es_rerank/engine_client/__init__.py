"""The HTTP client for the search engine: nodes, connections, credentials and field capabilities."""
