"""Signs requests for Amazon OpenSearch (Signature Version 4), with the credentials of the machine's own AWS chain.

A signature covers host, path, query and body, so that of a client is void behind any proxy: each request gets its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from multidict import CIMultiDict

from es_rerank.errors import ConfigError, UpstreamError
from es_rerank.net.messages import Chunks, OutgoingRequest, Stream

_IN_MEMORY = 1024 * 1024
_CHUNK = 256 * 1024
_SIGNATURE = ("Authorization", "X-Amz-Content-SHA256", "X-Amz-Date", "X-Amz-Security-Token")


class Signer:
    """Signs for one region and service."""

    def __init__(self, region: str, service: str) -> None:
        """Find the credentials' source. Raises ConfigError if botocore is not installed."""
        try:
            from botocore.session import Session  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("aws_region: signing needs its extra: pip install 'es-rerank[aws]'") from error
        self._session: Any = Session()
        self._region = region
        self._service = service

    async def __call__(self, url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Sign a request to the node at *url*. A stream is kept aside first, for its digest stands in the head."""
        target = _canonical(request.target)
        body = request.body
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if not _signs(name))
        if body is None or isinstance(body, bytes):
            digest = hashlib.sha256(body or b"").hexdigest()
        else:
            kept = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
            digest, size = await _keep(body, kept)
            headers["Content-Length"] = str(size)
            body = Chunks(_read(kept))
        signature = await asyncio.to_thread(self._signature, request.method, url + target, digest)
        headers.extend(signature)
        return replace(request, target=target, headers=headers, body=body)

    def _signature(self, method: str, url: str, digest: str) -> dict[str, str]:
        """Compute the headers of the signature; fetching credentials may take a moment, so in a thread."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        found = self._session.get_credentials()
        if found is None:
            raise UpstreamError("no AWS credentials were found to sign with")
        signed = AWSRequest(method, url, headers={"Host": urlsplit(url).netloc, "X-Amz-Content-SHA256": digest})
        SigV4Auth(found.get_frozen_credentials(), self._service, self._region).add_auth(signed)
        return {name: signed.headers[name] for name in _SIGNATURE if name in signed.headers}


def _signs(name: str) -> bool:
    """Tell whether a header belongs to a signature."""
    return name.lower() in {one.lower() for one in _SIGNATURE}


def _canonical(target: str) -> str:
    """Write the query as AWS does before it checks a signature: a plus stands for a space to clients, not to AWS."""
    path, mark, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return path + mark + urlencode(pairs, quote_via=quote, encoding="latin-1") if mark else path


async def _keep(chunks: Stream, file: IO[bytes]) -> tuple[str, int]:
    """Write a stream to a file; give its SHA-256 and its bytes."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        file.write(chunk)
    size = file.tell()
    file.seek(0)
    return digest.hexdigest(), size


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Stream a file and close it."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
