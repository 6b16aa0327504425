"""TLS contexts of both sides: what the endpoint shows its clients, and what it demands of the engine.

Raises ConfigError where a file cannot be used; it names the file and the setting.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiohttp

from es_rerank.config import Settings
from es_rerank.errors import ConfigError

# OpenSSL's number for the encoding, as in Python's own tests.
_DER = 2

Loaded = TypeVar("Loaded")


class Pinned(aiohttp.Fingerprint):
    """A pin on the engine's certificate or on any that it sends with it, such as the CA Elasticsearch makes itself."""

    def check(self, transport: object) -> None:
        """Compare. Raises ServerFingerprintMismatch."""
        tls = transport.get_extra_info("ssl_object")  # type: ignore[attr-defined]
        if tls is None:
            return
        sent = [hashlib.sha256(one).digest() for one in _chain(tls)]
        if self.fingerprint not in sent:
            host, port, *_ = transport.get_extra_info("peername")  # type: ignore[attr-defined]
            raise aiohttp.ServerFingerprintMismatch(self.fingerprint, sent[0] if sent else b"", host, port)


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
        # A pin stands in the place of names and authorities.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.upstream_certificate and settings.upstream_key:
        _load_pair(context, settings.upstream_certificate, settings.upstream_key, "upstream_certificate")
    return context


def pin(settings: Settings) -> Pinned | bool:
    """Make the pin on the engine's certificate; True, which is no pin, if there is none."""
    fingerprint = settings.upstream_fingerprint
    return Pinned(bytes.fromhex(fingerprint)) if fingerprint else True


def _chain(tls: ssl.SSLObject) -> list[bytes]:
    """List the certificates that the other side sent, its own first, in DER."""
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    # Until Python 3.13 the chain stands below, as objects.
    sent = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return [one.public_bytes(_DER) for one in sent or ()]


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
