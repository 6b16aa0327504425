"""`es-rerank` with short delays: `python -m tests.cli.program serve ...`. Its worker processes import this too."""

from __future__ import annotations

from es_rerank.cli import main, reload, serve, workers

reload.POLL_SECONDS = 0.02
workers._RESTART_DELAY_SECONDS = 0.02
serve._REPEATED_SIGNAL_SECONDS = 0.1

if __name__ == "__main__":
    main()
