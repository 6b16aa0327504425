"""Live tests: real search engines, real vLLM, and the endpoint as a separate process. The tests start all of it."""
