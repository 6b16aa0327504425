"""The Elasticsearch versions that es-rerank can emulate in front of another engine. Each is a row of `DIALECTS`.

Official Elasticsearch clients require the header `X-Elastic-Product` and send vendor media types, which OpenSearch and
older Elasticsearch versions reject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

PRODUCT_HEADER = "X-Elastic-Product"

# Elasticsearch's vendor media types since 7.11, such as `application/vnd.elasticsearch+json; compatible-with=8`.
_VENDOR_TYPE = re.compile(
    r"application/vnd\.elasticsearch\+([\w-]+)(?:\s*;\s*compatible-with\s*=\s*\"?(\d+)\"?)?", re.IGNORECASE
)
_PLAIN_TYPE = re.compile(r"application/([\w-]+)\s*(?:;\s*charset=utf-8)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """An emulated Elasticsearch version.

    Attributes:
        version: The version number to return in the response to `GET /`, such as `8.19.0`.

    """

    version: str

    def request_headers(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """Return the client's request headers with plain media types, which every engine accepts."""
        return CIMultiDict(
            (name, plain_media_types(value) if name.lower() in _MEDIA_TYPE_HEADERS else value)
            for name, value in headers.items()
        )

    def response_headers(self, accept: str, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """Return the engine's response headers with the product header and media type of this Elasticsearch version.

        Args:
            accept: The `Accept` header of the client's request.
            headers: The engine's response headers.

        """
        emulated = CIMultiDict(headers)
        if PRODUCT_HEADER not in emulated:
            emulated[PRODUCT_HEADER] = "Elasticsearch"
        if "Content-Type" in emulated:
            emulated["Content-Type"] = vendor_media_type(accept, emulated["Content-Type"])
        return emulated


DIALECTS: Mapping[str, Dialect | None] = {
    "engine": None,
    "elasticsearch-8": Dialect("8.19.0"),
    "elasticsearch-9": Dialect("9.2.0"),
}
_MEDIA_TYPE_HEADERS = frozenset({"accept", "content-type"})


def plain_media_types(value: str) -> str:
    """Return a header value in which plain media types (`application/json`) replace Elasticsearch's vendor types."""
    return _VENDOR_TYPE.sub(r"application/\1", value)


def vendor_media_type(accept: str, content_type: str) -> str:
    """Return a response's content type as the vendor media type that the client accepts.

    If the client does not accept the vendor form of this content type, it is returned unchanged.

    Args:
        accept: The `Accept` header of the client's request.
        content_type: The `Content-Type` header of the engine's response.

    """
    plain = _PLAIN_TYPE.match(content_type)
    for vendor in _VENDOR_TYPE.finditer(accept):
        if plain and vendor[1].lower() == plain[1].lower() and vendor[2]:
            return f"application/vnd.elasticsearch+{plain[1]};compatible-with={vendor[2]}"
    return content_type
