"""Live tests: real search engines, real vLLM, and the endpoint as a process of its own. They start all of it."""
