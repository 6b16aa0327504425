"""The settings of the endpoint itself and of the engine behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from es_rerank.compat.dialects import DIALECTS
from es_rerank.config.addresses import Address, AdminListen, Listen, Urls
from es_rerank.config.types import Duration, Fingerprint, HeaderNames, HostPatterns, one_of


class EndpointSettings(BaseModel):
    """Some of the settings: addresses, TLS, workers, and the nodes and credentials of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    listen: Listen = Field("127.0.0.1:9280", description="Address that clients connect to: HOST:PORT or unix:/PATH.")
    admin_listen: AdminListen = Field(
        "127.0.0.1:9281",
        description="Address of the admin pages: HOST:PORT, unix:/PATH, or `shared`. If `shared`, es-rerank serves "
        "the pages on `listen`, to callers that the engine authenticates.",
    )
    listen_certificate: Path | None = Field(
        None, description="PEM file of the server certificate. If set, `listen` and `admin_listen` use https."
    )
    listen_key: Path | None = Field(None, description="PEM file of the unencrypted key of `listen_certificate`.")
    listen_client_ca: Path | None = Field(
        None,
        description="PEM file of the CA that signs client certificates. If set, clients must present a certificate.",
    )
    workers: int = Field(
        1, ge=1, le=256, description="Number of worker processes, each with its own caches and limits."
    )
    proxy_protocol: bool = Field(
        default=False, description="Whether connections to `listen` start with a PROXY protocol header (v1 or v2)."
    )
    forwarded: Literal["pass", "append", "replace"] = Field(
        "pass",
        description="`X-Forwarded-*` headers for the engine: `pass` the client's headers, `append` the client's "
        "address to them, or `replace` them.",
    )
    upstream: Urls = Field(
        ("http://127.0.0.1:9200",),
        description="URL of Elasticsearch or OpenSearch, or comma-separated URLs of several nodes of one cluster.",
    )
    upstream_ca: Path | None = Field(
        None, description="PEM file of the CA certificates to trust for the engine, instead of those of the system."
    )
    upstream_verify: bool = Field(default=True, description="Whether to verify the engine's https certificate.")
    upstream_fingerprint: Fingerprint | None = Field(
        None,
        description="SHA-256 fingerprint of the engine's certificate, or of a CA certificate that the engine sends. "
        "es-rerank verifies the fingerprint instead of CA and host name.",
    )
    upstream_certificate: Path | None = Field(
        None, description="PEM file of the client certificate that es-rerank presents to the engine."
    )
    upstream_key: Path | None = Field(None, description="PEM file of the unencrypted key of `upstream_certificate`.")
    upstream_api_key: SecretStr | None = Field(
        None, description="Encoded API key that es-rerank sends to the engine for clients that show no identity."
    )
    upstream_username: str | None = Field(
        None, description="User name that es-rerank sends to the engine for clients that show no identity."
    )
    upstream_password: SecretStr | None = Field(None, description="Password of `upstream_username`.")
    anonymous_headers: HeaderNames = Field(
        (),
        description="Comma-separated names of headers that do not identify callers, in addition to well-known headers. "
        "Any other header may identify a caller, such as a header with a user name that a gateway adds. es-rerank does "
        "not send its own credentials for such a request, and caches mappings separately for each value of the header.",
    )
    trusted_hosts: HostPatterns = Field(
        (),
        description="Comma-separated host names, or patterns such as `*.example`, of es-rerank and of web pages that "
        "use it. IP addresses and names without a dot are always trusted as names of es-rerank. For requests to other "
        "hosts, or from web pages of other sites, es-rerank does not send its own credentials.",
    )
    aws_region: str | None = Field(
        None,
        description="AWS region of an Amazon OpenSearch cluster. If set, es-rerank signs requests (SigV4) for clients "
        "that show no identity other than a signature.",
    )
    aws_service: Literal["es", "aoss"] = Field(
        "es", description="AWS service name in the signature: `es` for a domain, `aoss` for a serverless collection."
    )
    aws_max_body: int = Field(
        104_857_600,
        ge=1024,
        description="Maximum body of a request that es-rerank signs, in bytes. Each body is buffered on disk until it "
        "has been sent. Amazon OpenSearch accepts at most 100 MiB.",
    )
    # Defaults of durations are in seconds and are not validated, since operators write durations with a unit.
    engine_compression: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether es-rerank asks the engine for compressed responses to searches, if the client accepts "
        "compression. With `auto`, it does not ask engines at loopback, private and link-local addresses, or at host "
        "names without a dot. In any case, es-rerank compresses its responses for clients that accept compression.",
    )
    connect_timeout: Duration = Field(
        5.0, validate_default=False, description="Time limit for connecting to a node of the engine, at most 10m."
    )
    emulate: Annotated[str, one_of(DIALECTS)] = Field(
        "engine",
        description=f"Engine version that clients see; `engine` means the real version. One of: {', '.join(DIALECTS)}.",
    )
    sniff: Literal["pass", "rewrite"] = Field(
        "pass",
        description="Responses to node sniffing (`_nodes/http`): `pass` them unchanged, or `rewrite` the address of "
        "each node to es-rerank's address.",
    )
    publish_address: Address | None = Field(
        None,
        description="HOST:PORT of es-rerank for `sniff: rewrite`. If not set, es-rerank uses the `Host` header of the "
        "client's request.",
    )
