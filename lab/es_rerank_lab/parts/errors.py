"""What the parts raise: one family, and each message says what happened and what to do."""

from es_rerank.errors import EsRerankError


class PartError(EsRerankError):
    """A part cannot be fetched, prepared, started or kept running."""


class UnavailableError(PartError):
    """A source did not deliver (no network, HTTP status); the next source may."""
