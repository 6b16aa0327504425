"""The client of the rerank servers: HTTP requests, load balancing, health checks, load shedding and score cache."""
