"""The real parts that a demo and the live tests start: search engines, model weights and vLLM.

- progress: who is told what a long step is doing (rich bars, or nobody)
- cache: the folder where unpacked things stay, its locks, and the folder of one run
- account: which user an engine runs as, and what that user can reach
- fetch: a download with a bar, a checksum and clear errors
- distribution: the search engines and where each comes from
- java: the Java that can run an engine
- process: a child with its own group, a log, and no way to outlive us
- running: a server that runs, and goes with its folder
- supervisor: starts again what has ended
- engines: `start_engine`
- e5, weights: model folders out of installed packages
- vllm: `start_vllm`

Nothing here knows the proxy. Everything that fails raises `errors.PartError` with what to do about it.
"""
