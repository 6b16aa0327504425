"""AWS Signature Version 4 for Amazon OpenSearch Service, with credentials from the default AWS credential chain.

A signature covers host, path, query and body, so a client's own signature is not valid behind a proxy. es-rerank signs
every request instead. Format: "Create a signed AWS API request", AWS Identity and Access Management User Guide.
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
from es_rerank.net.messages import OutgoingRequest, Stream

# A larger body is buffered in a temporary file until it has been hashed and sent.
_MAX_MEMORY_BYTES = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_SIGNATURE_HEADERS = ("Authorization", "X-Amz-Content-SHA256", "X-Amz-Date", "X-Amz-Security-Token")
_REPLACED = frozenset(name.lower() for name in _SIGNATURE_HEADERS)


class Signer:
    """Signs requests for one region and service."""

    def __init__(self, region: str, service: str) -> None:
        """Load the credential chain.

        Args:
            region: AWS region, such as `eu-central-1`.
            service: `es` for a domain, `aoss` for a serverless collection.

        Raises:
            ConfigError: botocore is not installed.

        """
        try:
            from botocore.session import Session  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise ConfigError("aws_region: signing requests requires an extra: pip install 'es-rerank[aws]'") from error
        self._session: Any = Session()
        self._region = region
        self._service = service

    async def __call__(self, url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with a signature for the node at *url*.

        A streamed body is buffered first, because the headers contain its digest.

        Raises:
            UpstreamError: There are no AWS credentials, or they cannot be refreshed.

        """
        target = _canonical(request.target)
        body = request.body
        headers = CIMultiDict(item for item in request.headers.items() if item[0].lower() not in _REPLACED)
        if body is None or isinstance(body, bytes):
            digest = hashlib.sha256(body or b"").hexdigest()
        else:
            buffer = SpooledTemporaryFile(_MAX_MEMORY_BYTES)  # noqa: SIM115 - closed when it has been sent
            digest, size = await _buffer(body, buffer)
            headers["Content-Length"] = str(size)
            body = _BufferedBody(buffer)
        signature = await asyncio.to_thread(self._signature, request.method, url + target, digest)
        headers.extend(signature)
        return replace(request, target=target, headers=headers, body=body)

    def _signature(self, method: str, url: str, digest: str) -> dict[str, str]:
        """Return the signature headers. Getting credentials may block, so this runs in a thread."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        try:
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except BotoCoreError as error:
            raise UpstreamError(f"no AWS credentials to sign the request with: {error}") from error
        if frozen is None:
            raise UpstreamError("no AWS credentials were found to sign the request with")
        signed = AWSRequest(method, url, headers={"Host": urlsplit(url).netloc, "X-Amz-Content-SHA256": digest})
        SigV4Auth(frozen, self._service, self._region).add_auth(signed)
        return {name: signed.headers[name] for name in _SIGNATURE_HEADERS if name in signed.headers}


def _canonical(target: str) -> str:
    """Encode the query string as AWS does to verify a signature: `+` for a space becomes `%20`."""
    path, mark, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return path + mark + urlencode(pairs, quote_via=quote, encoding="latin-1") if mark else path


async def _buffer(chunks: Stream, file: IO[bytes]) -> tuple[str, int]:
    """Write a stream to a file. Return its SHA-256 digest in hexadecimal and its size in bytes."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        file.write(chunk)
    size = file.tell()
    file.seek(0)
    return digest.hexdigest(), size


class _BufferedBody(Stream):
    """A body read from a file, which is then closed."""

    def __init__(self, file: IO[bytes]) -> None:
        """Create a body from the content of *file*."""
        self._file = file

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks."""
        return _read(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Yield the content of a file, then close it."""
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
