"""The parts that the demo and the live tests start: search engines, model weights and vLLM.

- progress: progress bars of long steps
- cache: the cache folder, its locks, and the temporary folder of a run
- account: the user that runs an engine, and its file permissions
- fetch: downloads with a progress bar and a checksum
- distribution: the available search engines and their download addresses
- java: the Java runtimes for an engine
- process: a child process in its own process group, with a log
- running: a running server and its temporary folder
- supervisor: restarts parts that end
- engines: `start_engine`
- e5, weights: model folders made from installed packages
- vllm: `start_vllm`

Nothing here depends on the endpoint. Errors are `errors.PartError`, whose message says what to do.
"""
