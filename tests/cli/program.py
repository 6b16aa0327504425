"""`es-rerank` with short delays: `python -m tests.cli.program serve ...`. Its worker processes import this too."""

from __future__ import annotations

import sys

# Not in the production image either; structlog imports it if it is installed.
sys.modules["rich"] = None  # type: ignore[assignment]

from es_rerank.cli import main, reload, serve, workers  # noqa: E402

reload.POLL_SECONDS = 0.02
workers._RESTART_DELAY_SECONDS = 0.02
serve._REPEATED_SIGNAL_SECONDS = 0.1

if __name__ == "__main__":
    main()
