"""TLS contexts for listening for clients and for connecting to the engine."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from es_rerank.config.settings import Settings
from es_rerank.errors import ConfigError

# OpenSSL's encoding number for DER, which `public_bytes` expects.
_ENCODING_DER = 2
_HTTPS_PORT = 443

Loaded = TypeVar("Loaded")


class NotReachedError(OSError):
    """The TLS handshake to read the engine's certificate failed, or no certificate matched the pinned fingerprint."""


class EngineTrust:
    """Verifies the engine's certificate. State: the pinned certificate, after the first connection.

    The setting `upstream_fingerprint` pins the engine's certificate, or a CA certificate in the engine's chain, by its
    SHA-256 digest. The certificate itself is read from a first connection and becomes the only trust anchor. If it is a
    CA certificate, the engine's own certificate must be signed by it; sending the CA certificate is not enough.
    """

    def __init__(self, settings: Settings) -> None:
        """Load the configured files. Raises ConfigError if a file cannot be used."""
        self._settings = settings
        # The CA certificates of the system take a while to load, and without TLS they are not needed.
        self._context = _context(settings)
        self._pinned_digest = settings.upstream_fingerprint
        self._ready = not self._pinned_digest

    def renewal(self) -> Callable[[], None]:
        """Load the current files, and return a function that starts to use them for new connections.

        Raises:
            ConfigError: A file cannot be used.

        """
        renewed = _context(self._settings)

        def use() -> None:
            self._context, self._ready = renewed, not self._pinned_digest

        return use

    async def context(self, url: str) -> ssl.SSLContext:
        """Return the TLS context for a node.

        Args:
            url: The node's https URL.

        Raises:
            NotReachedError: The handshake failed, or no certificate matches the pinned fingerprint.

        """
        if self._context is None:
            self._context = client_context(self._settings)
        if not self._ready:
            pinned = await self._pinned_certificate(url, self._context)
            context = ssl.create_default_context(cadata=pinned)
            context.check_hostname = False
            # Stop verification at the pinned certificate, even if it was signed by another CA.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            _load_client_certificate(context, self._settings)
            self._context, self._ready = context, True
        return self._context

    async def _pinned_certificate(self, url: str, context: ssl.SSLContext) -> bytes:
        """Connect to the node and return the certificate with the pinned digest, in DER. Raises NotReachedError."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _HTTPS_PORT
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        except (OSError, TimeoutError) as error:
            raise NotReachedError("the TLS handshake that reads its certificate failed") from error
        chain = _certificate_chain(writer.get_extra_info("ssl_object"))
        writer.close()
        for certificate in chain:
            if hashlib.sha256(certificate).hexdigest() == self._pinned_digest:
                return certificate
        raise NotReachedError("its certificate does not match upstream_fingerprint")


def check_certificates(settings: Settings) -> None:
    """Load all certificates. Raises ConfigError if a file cannot be used."""
    server_context(settings)
    _context(settings)


def _context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context for connecting to the engine; None if it is not needed yet."""
    return client_context(settings) if _needs_context(settings) else None


def _needs_context(settings: Settings) -> bool:
    """Return whether to load the context at startup: a node has an https URL, or a configured file must be checked."""
    files = (settings.upstream_ca, settings.upstream_certificate)
    return any(files) or any(url.startswith("https:") for url in settings.upstream)


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context for listening; None for plain HTTP. Raises ConfigError if a file cannot be used."""
    if settings.listen_certificate is None or settings.listen_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_pair(context, settings.listen_certificate, settings.listen_key, "listen_certificate")
    if settings.listen_client_ca:
        _load(lambda: context.load_verify_locations(cafile=settings.listen_client_ca), "listen_client_ca")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def renew(listening: ssl.SSLContext, settings: Settings) -> None:
    """Use the current certificate files for new client connections. Raises ConfigError if they cannot be used.

    A context keeps one certificate for each type of key (RSA, ECDSA). If a certificate with another type of key were
    loaded into the context, clients could still get the old one. Each handshake switches to a new context instead.

    Args:
        listening: The TLS context of the listening sockets.
        settings: The settings, with the paths of the files.

    """
    renewed = server_context(settings)

    def switch(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        if renewed:
            connection.context = renewed

    # OpenSSL calls this for every handshake, also if the client sends no server name.
    listening.sni_callback = switch


def client_context(settings: Settings) -> ssl.SSLContext:
    """Return the TLS context for connecting to the engine. Raises ConfigError if a file cannot be used."""
    context = _load(lambda: ssl.create_default_context(cafile=settings.upstream_ca), "upstream_ca")
    if not settings.upstream_verify or settings.upstream_fingerprint:
        # Pinning replaces the host name and CA checks. No request is sent before the pinned certificate is verified.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_client_certificate(context, settings)
    return context


def _certificate_chain(tls: ssl.SSLObject) -> list[bytes]:
    """Return the certificates that the server sent, starting with its own, in DER."""
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    # Before Python 3.13, the chain is available only from the underlying object.
    sent = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return [certificate.public_bytes(_ENCODING_DER) for certificate in sent or ()]


def _load_client_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Load the client certificate to present to the engine."""
    if settings.upstream_certificate and settings.upstream_key:
        _load_pair(context, settings.upstream_certificate, settings.upstream_key, "upstream_certificate")


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path, setting: str) -> None:
    """Load a certificate and its key. Raises ConfigError if they cannot be used."""
    _load(lambda: context.load_cert_chain(certificate, key, password=_no_password), setting)


def _load(load: Callable[[], Loaded], setting: str) -> Loaded:
    """Return the result of *load*. Raises ConfigError with the name of the setting if a file cannot be used."""
    try:
        return load()
    except OSError as error:
        raise ConfigError(f"{setting}: {error}") from error


def _no_password() -> str:
    """Reject an encrypted key, because a server cannot prompt for its password."""
    raise ConfigError("the private key is encrypted; store it without a password")
