"""TLS contexts of both sides: what the endpoint shows its clients, and what it demands of the engine.

Raises ConfigError where a file cannot be used; it names the file and the setting.
"""

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

# OpenSSL's number for the encoding, as in Python's own tests.
_DER = 2

Loaded = TypeVar("Loaded")


class NotReachedError(OSError):
    """No TLS connection came about to see which certificate the engine has."""


class EngineTrust:
    """What is demanded of the engine's certificate. State: the pinned certificate, once the engine has shown it.

    A pin names a certificate by its digest alone, that of the engine or of a CA that it sends with it. The certificate
    itself is learnt from a first connection and is then the only one trusted: to send a CA's certificate along is not
    enough, the engine's own must be signed by it.
    """

    def __init__(self, settings: Settings) -> None:
        """Demand what *settings* say. Raises ConfigError for files that cannot be used."""
        self._settings = settings
        self._context = client_context(settings)
        self._pin = settings.upstream_fingerprint
        self._learnt = not self._pin

    async def context(self, url: str) -> ssl.SSLContext:
        """Give the context to reach the node at *url* with. Raises NotReachedError."""
        if not self._learnt and url.startswith("https"):
            pinned = await self._shown(url)
            trusted = ssl.create_default_context(cadata=pinned)
            trusted.check_hostname = False
            # The pinned certificate ends the chain, whether or not another has signed it.
            trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            _load_own(trusted, self._settings)
            self._context, self._learnt = trusted, True
        return self._context

    async def _shown(self, url: str) -> bytes:
        """Connect to see the certificates, and give the pinned one, in DER. Raises NotReachedError."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                _, writer = await asyncio.open_connection(host, port, ssl=self._context, server_hostname=host)
        except (OSError, TimeoutError) as error:
            raise NotReachedError("no TLS connection came about to see its certificate") from error
        sent = _chain(writer.get_extra_info("ssl_object"))
        writer.close()
        for one in sent:
            if hashlib.sha256(one).hexdigest() == self._pin:
                return one
        raise NotReachedError("its certificate is not the pinned one")


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Make the context to listen with; None if clients speak plain HTTP."""
    if settings.listen_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_certificate(context, settings)
    if settings.listen_client_ca:
        _load(lambda: context.load_verify_locations(cafile=settings.listen_client_ca), "listen_client_ca")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Load the certificate to listen with, or a renewed one: connections from then on are shown it."""
    if settings.listen_certificate and settings.listen_key:
        # Into a context of its own first, so that a pair that does not match leaves the old one in use.
        for one in (ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), context):
            _load_pair(one, settings.listen_certificate, settings.listen_key, "listen_certificate")


def client_context(settings: Settings) -> ssl.SSLContext:
    """Make the context to reach the engine with: the system's CAs or the operator's, and who we are."""
    context = ssl.create_default_context()
    if settings.upstream_ca:
        context = _load(lambda: ssl.create_default_context(cafile=settings.upstream_ca), "upstream_ca")
    if not settings.upstream_verify or settings.upstream_fingerprint:
        # A pin stands in the place of names and authorities; until it is found nothing else is asked.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_own(context, settings)
    return context


def _chain(tls: ssl.SSLObject) -> list[bytes]:
    """List the certificates that the other side sent, its own first, in DER."""
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    # Until Python 3.13 the chain stands below, as objects.
    sent = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return [one.public_bytes(_DER) for one in sent or ()]


def _load_own(context: ssl.SSLContext, settings: Settings) -> None:
    """Load who we are to the engine."""
    if settings.upstream_certificate and settings.upstream_key:
        _load_pair(context, settings.upstream_certificate, settings.upstream_key, "upstream_certificate")


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path, setting: str) -> None:
    """Load a certificate and its key."""
    _load(lambda: context.load_cert_chain(certificate, key, password=_no_password), setting)


def _load(load: Callable[[], Loaded], setting: str) -> Loaded:
    """Load from files; a fault names the setting."""
    try:
        return load()
    except OSError as error:
        raise ConfigError(f"{setting}: {error}") from error


def _no_password() -> str:
    """Refuse a key with a password: a server cannot ask for it."""
    raise ConfigError("the private key has a password; write it without one")
