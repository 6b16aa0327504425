"""Records which fields es-rerank chooses for the model, so that operators can see them in the log and admin pages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import structlog

from es_rerank.model import Outcome

log = structlog.get_logger()

# The choice depends on the documents of the window, so searches of the same index can have different choices.
_MAX_CHOICES = 256


class FieldChoices:
    """The field choices seen so far, by request path. If there are too many, the oldest is dropped."""

    def __init__(self) -> None:
        """Start without choices."""
        self._seen: OrderedDict[tuple[str, tuple[str, ...]], None] = OrderedDict()

    def __repr__(self) -> str:
        """Show the number of choices."""
        return f"FieldChoices(seen={len(self._seen)})"

    def record(self, path: str, outcomes: Iterable[Outcome]) -> None:
        """Record the fields that the model read for the searches of a request, and log each choice once.

        Args:
            path: Path of the request.
            outcomes: The outcomes of the searches in the request.

        """
        for outcome in outcomes:
            key = (path, outcome.fields)
            if outcome.fields and key not in self._seen:
                self._seen[key] = None
                log.info("fields chosen", path=path, fields=list(outcome.fields))
                if len(self._seen) > _MAX_CHOICES:
                    self._seen.popitem(last=False)

    def listed(self) -> list[dict[str, object]]:
        """Return the path and the fields of each choice as JSON values, newest last."""
        return [{"path": path, "fields": list(fields)} for path, fields in self._seen]
