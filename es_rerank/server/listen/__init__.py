"""The side that clients connect to: addresses, connections, and what is said to those who speak no HTTP."""
