"""The parts that the demo and the live tests start: search engines, model weights and vLLM.

- progress: progress bars of long steps
- cache: the cache folder, its locks, and the temporary folder of a run
- account: the user account that runs an engine, and its file permissions
- fetch: downloads with a progress bar and a checksum
- distribution: the available search engines and their download addresses
- java: finds a Java runtime for an engine
- process: a child process in its own process group, with a log
- running: a running server and its temporary folder
- supervisor: restarts parts that end
- engines: `start_engine`
- e5, weights: model folders made from installed packages
- vllm: `start_vllm`

These modules do not depend on the endpoint. All errors are `errors.PartError`, with a message on how to fix them.
"""
