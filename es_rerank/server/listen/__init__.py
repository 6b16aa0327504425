"""Listening for clients: sockets, connections, the PROXY protocol and checks of request headers."""
