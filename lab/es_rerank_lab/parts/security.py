"""Creates the CA, certificate and password for an Elasticsearch node with security enabled, before it starts."""

import importlib
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from es_rerank_lab.parts.account import Account
from es_rerank_lab.parts.errors import PartError
from es_rerank_lab.parts.node import Node

USERNAME = "elastic"
OFF = {"xpack.security.enabled": False}
ON = {
    "xpack.security.enabled": True,
    "xpack.security.http.ssl.enabled": True,
    "xpack.security.http.ssl.key": "certs/http.key",
    "xpack.security.http.ssl.certificate": "certs/http.crt",
}
_KEYSTORE_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Credentials:
    """The built-in superuser, its password, and the CA certificate."""

    username: str
    password: str
    ca: Path


def secure(node: Node) -> Credentials:
    """Write certificates for localhost to the node's configuration folder, and generate a password.

    Raises PartError if the package trustme is missing.
    """
    try:
        trustme = importlib.import_module("trustme")
    except ModuleNotFoundError:
        raise PartError(
            "TLS needs the package trustme: pip install ./lab, or start the engine without security."
        ) from None
    certs = node.config / "certs"
    certs.mkdir()
    authority = trustme.CA(organization_name="es-rerank", organization_unit_name="demo")
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    authority.cert_pem.write_to_path(certs / "ca.crt")
    certificate.private_key_pem.write_to_path(certs / "http.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(certs / "http.crt", append=True)
    return Credentials(USERNAME, secrets.token_urlsafe(16), certs / "ca.crt")


def store_password(node: Node, credentials: Credentials, account: Account) -> None:
    """Store the superuser's initial password in the node's keystore. Raises PartError if the keystore tool fails."""
    tool = node.home / "bin" / f"{node.engine.family.name}-keystore"
    try:
        subprocess.run(
            [str(tool), "add", "--stdin", "--force", "bootstrap.password"],
            input=credentials.password.encode(),
            env=node.environment(),
            cwd=node.run,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=[] if account.switch else None,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_KEYSTORE_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise PartError(f"{tool.name} failed: {error.stdout.decode('utf-8', 'replace').strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartError(f"{tool.name} failed: {error}") from error
