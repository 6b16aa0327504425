"""The errors of the parts. Each message describes what happened and how to fix it."""

from es_rerank.errors import EsRerankError


class PartError(EsRerankError):
    """A part cannot be downloaded, prepared, started or kept running."""


class UnavailableError(PartError):
    """A download source failed (connection or HTTP status), so that the next source is tried."""
