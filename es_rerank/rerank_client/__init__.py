"""The I/O side of reranking: servers, their health and load, the score cache and the client that uses them."""
