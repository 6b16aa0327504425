"""AWS Signature Version 4 for Amazon OpenSearch Service, with credentials from the default AWS credential chain.

A signature covers host, path, query and body, so a client's own signature is not valid behind a proxy. es-rerank signs
every request instead. Format: "Create a signed AWS API request", AWS Identity and Access Management User Guide.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from multidict import CIMultiDict

from es_rerank.engine_client.buffered_body import buffered
from es_rerank.errors import ConfigError, UpstreamError
from es_rerank.net.messages import OutgoingRequest, Stream

_DIGEST_HEADER = "X-Amz-Content-SHA256"
_SIGNATURE_HEADERS = ("Authorization", _DIGEST_HEADER, "X-Amz-Date", "X-Amz-Security-Token")
_REPLACED = frozenset(name.lower() for name in _SIGNATURE_HEADERS)


class Signer:
    """Signs requests for one region and service."""

    def __init__(self, region: str, service: str, max_body: int) -> None:
        """Load the credential chain.

        Args:
            region: AWS region, such as `eu-central-1`.
            service: `es` for a domain, `aoss` for a serverless collection.
            max_body: Maximum size of a streamed body, in bytes.

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
        self._max_body = max_body

    async def prepare(self, request: OutgoingRequest) -> OutgoingRequest:
        """Return the request with the digest of its body. A streamed body is buffered; the caller must close it.

        Raises:
            RequestError: The body is malformed or too long, or cannot be buffered.

        """
        body = request.body
        headers = CIMultiDict(item for item in request.headers.items() if item[0].lower() not in _REPLACED)
        if isinstance(body, Stream):
            body, digest = await buffered(body, self._max_body)
            headers["Content-Length"] = str(body.size)
        else:
            digest = hashlib.sha256(body or b"").hexdigest()
        headers[_DIGEST_HEADER] = digest
        return replace(request, target=_canonical(request.target), headers=headers, body=body)

    async def sign(self, url: str, request: OutgoingRequest) -> OutgoingRequest:
        """Return a prepared request with a signature for the node at *url*.

        Raises:
            UpstreamError: There are no AWS credentials, or they cannot be refreshed.

        """
        digest = request.headers[_DIGEST_HEADER]
        signature = await asyncio.to_thread(self._signature, request.method, url + request.target, digest)
        headers = request.headers.copy()
        headers.update(signature)
        return replace(request, headers=headers)

    def _signature(self, method: str, url: str, digest: str) -> dict[str, str]:
        """Return the signature headers. This function runs in a thread, because getting credentials may block."""
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
        signed = AWSRequest(method, url, headers={"Host": urlsplit(url).netloc, _DIGEST_HEADER: digest})
        SigV4Auth(frozen, self._service, self._region).add_auth(signed)
        return {name: signed.headers[name] for name in _SIGNATURE_HEADERS if name in signed.headers}


def _canonical(target: str) -> str:
    """Return the target with the query string as AWS encodes it to verify signatures: `+` for a space becomes `%20`."""
    path, mark, query = target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    return path + mark + urlencode(pairs, quote_via=quote, encoding="latin-1") if mark else path
