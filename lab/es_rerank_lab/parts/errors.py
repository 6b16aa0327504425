"""The errors of the parts; each message says what happened and what to do."""

from es_rerank.errors import EsRerankError


class PartError(EsRerankError):
    """A part cannot be downloaded, prepared, started or kept running."""


class UnavailableError(PartError):
    """A download source failed (network, HTTP status); the next one is tried."""
