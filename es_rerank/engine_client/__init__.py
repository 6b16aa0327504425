"""The client of the search engine: its nodes, connections, credentials and field capabilities."""
