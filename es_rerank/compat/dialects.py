"""Which engine clients are shown. One row each; the same words go to the engine in a form that every engine takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

PRODUCT = "X-Elastic-Product"

# `application/vnd.elasticsearch+json; compatible-with=8`, Elasticsearch's own media types since 7.11.
_VENDOR = re.compile(
    r"application/vnd\.elasticsearch\+([\w-]+)(?:\s*;\s*compatible-with\s*=\s*\"?(\d+)\"?)?", re.IGNORECASE
)
_PLAIN = re.compile(r"application/([\w-]+)\s*(?:;\s*charset=utf-8)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """An Elasticsearch as its official clients know it: the version that `GET /` names."""

    version: str

    def asked(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """Write a request's headers with media types that any engine takes."""
        return CIMultiDict((name, plain(value) if name.lower() in _TYPED else value) for name, value in headers.items())

    def said(self, accepted: str, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """Write an answer's headers as this engine would for a client that *accepted* these media types."""
        shown = CIMultiDict(headers)
        if PRODUCT not in shown:
            shown[PRODUCT] = "Elasticsearch"
        if "Content-Type" in shown:
            shown["Content-Type"] = vendor(accepted, shown["Content-Type"])
        return shown


DIALECTS: Mapping[str, Dialect | None] = {
    "engine": None,
    "elasticsearch-8": Dialect("8.19.0"),
    "elasticsearch-9": Dialect("9.2.0"),
}
_TYPED = frozenset({"accept", "content-type"})


def plain(value: str) -> str:
    """Rewrite vendor media types into those they stand for; all else stays."""
    return _VENDOR.sub(r"application/\1", value)


def vendor(accepted: str, said: str) -> str:
    """Write the media type of an answer in the vendor form that the client accepts; others stay as they are."""
    form = _PLAIN.match(said)
    for found in _VENDOR.finditer(accepted):
        if form and found[1].lower() == form[1].lower() and found[2]:
            return f"application/vnd.elasticsearch+{form[1]};compatible-with={found[2]}"
    return said
